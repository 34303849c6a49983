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
from .outbox import aenqueue_many, enqueue_many, get_ticket
from .registry import configure, default_task_backend, task_backends
from .result import TaskContext, TaskError, TaskResult, TaskResultStatus
from .retry import Retry
from .schedule import Schedule
from .schemes import register_task_backend
from .sendmail import send_mail
from .task import Task
from .taskdecorator import task
from .ticket import Ticket

__all__ = [
    "InvalidTask",
    "InvalidTaskBackend",
    "Retry",
    "Schedule",
    "Task",
    "TaskBackend",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultMismatch",
    "TaskResultStatus",
    "Ticket",
    "aenqueue_many",
    "configure",
    "default_task_backend",
    "enqueue_many",
    "get_ticket",
    "register_task_backend",
    "send_mail",
    "task",
    "task_backends",
]
