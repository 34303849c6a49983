"""A module's syntax tree with the counting written in: calls, loops and operators go through the functions of `cost`."""

from __future__ import annotations

import ast

NAME = "__cost__"  # the module `cost`, as the instrumented code knows it
_NEEDS_ITS_FRAME = frozenset({"super", "locals", "globals", "vars"})


def instrumented(source: bytes | str, filename: str) -> ast.Module:
    """Return the tree of a module with the counting written in."""
    tree = _Counting().visit(ast.parse(source, filename))
    ast.fix_missing_locations(tree)
    return tree


def _counted(kind: str, *arguments: ast.expr, starred: list[ast.expr] | None = None) -> ast.Call:
    """Return the call of a function of `cost`."""
    function = ast.Attribute(ast.Name(NAME, ast.Load()), kind, ast.Load())
    return ast.Call(function, [*arguments, *(starred or [])], [])


class _Counting(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Attribute):
            if function.attr.startswith("__") or isinstance(function.ctx, ast.Store):
                return node
            call = _counted("method", function.value, ast.Constant(function.attr), starred=node.args)
        elif isinstance(function, ast.Name) and function.id in _NEEDS_ITS_FRAME:
            return node
        else:
            call = _counted("call", function, starred=node.args)
        call.keywords = node.keywords
        return ast.copy_location(call, node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
            return ast.copy_location(_counted("made", node), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, (ast.Add, ast.Mult, ast.Mod)):
            return ast.copy_location(_counted("made", node), node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Add) and isinstance(node.target, (ast.Name, ast.Attribute)):
            value = ast.parse(ast.unparse(node.target), mode="eval").body
            return ast.copy_location(ast.Assign([node.target], _counted("extended", value, node.value)), node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) != 1:
            return node
        kinds: dict[type[ast.cmpop], str] = {
            ast.In: "contains",
            ast.NotIn: "lacks",
            ast.Eq: "equal",
            ast.NotEq: "unequal",
        }
        kind = kinds.get(type(node.ops[0]))
        if kind is None:
            return node
        return ast.copy_location(_counted(kind, node.left, node.comparators[0]), node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        for piece in node.values:
            if isinstance(piece, ast.FormattedValue):
                piece.value = self.visit(piece.value)
        return ast.copy_location(_counted("made", node), node)

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> ast.AST:
        self.generic_visit(node)
        if isinstance(getattr(node, "ctx", ast.Load()), ast.Load) and any(
            isinstance(item, ast.Starred) for item in node.elts
        ):
            return ast.copy_location(_counted("made", node), node)
        return node

    visit_List = visit_Tuple = visit_Set = _display

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if not node.is_async:
            node.iter = ast.copy_location(_counted("each", node.iter), node.iter)
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = ast.copy_location(_counted("each", node.iter), node.iter)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.copy_location(ast.Expr(_counted("step")), node.body[0]))
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        has_docstring = ast.get_docstring(node, clean=False) is not None
        node.body.insert(int(has_docstring), ast.copy_location(ast.Expr(_counted("step")), node.body[0]))
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node  # annotations are not run
