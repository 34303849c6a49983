"""Background work for mail and for any function: Django 6's Tasks, without Django.

::

    from modernmail import send_mail
    from modernmail.tasks import task

    @task
    def email_users(emails, subject, message):
        return send_mail(subject, message, None, emails)

    result = email_users.enqueue(emails=["you@example.com"], subject="You have mail", message="Hello there!")
"""

from modernmail.errors import InvalidTask, InvalidTaskBackend, TaskResultDoesNotExist, TaskResultMismatch

from .backend import TaskBackend
from .registry import configure, default_task_backend, task_backends
from .result import TaskContext, TaskError, TaskResult, TaskResultStatus
from .retry import Retry
from .schemes import register_task_backend
from .task import Task, task

__all__ = [
    "InvalidTask",
    "InvalidTaskBackend",
    "Retry",
    "Task",
    "TaskBackend",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultMismatch",
    "TaskResultStatus",
    "configure",
    "default_task_backend",
    "register_task_backend",
    "task",
    "task_backends",
]
