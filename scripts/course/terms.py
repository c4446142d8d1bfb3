"""Terms for what Python code computes: code that differs in names or notation alone has the same terms.

Statements are read in order. A variable is replaced by the term that was assigned to it, which removes temporaries.
Operations that only move numbers (reshape, astype, x[:, None]) or mask padding and the arguments axis and keepdims are
left out.
np.sum(x) and x.sum(), x * x and x**2, a + b and b + a, p - np.eye(V)[y] and p[n, y] -= 1 give the same term.
"""
import ast
from decimal import Decimal
from typing import NamedTuple

MOVES = {"reshape", "ravel", "flatten", "astype", "copy", "asarray", "array", "squeeze", "expand_dims", "real", "float",
         "ascontiguousarray", "int", "float32", "float64", "mask_padding"}
MODULES = ("np", "numpy", "math", "operator")               # whose functions are no methods
NAMED_OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/", "matmul": "@", "dot": "@",
    "power": "**", "amax": "max", "transpose": "T", "swapaxes": "T", "sub": "-", "mul": "*",
    "truediv": "/", "pow": "**"}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**"}
ELEMENTWISE = {"exp", "log", "tanh", "sqrt", "abs"}
UNARY = {*ELEMENTWISE, "sum", "mean", "max", "argmax", "T"}
LAYER = 4                           # weight of a call of a layer, which says nothing on its own
COUNTED = {**dict.fromkeys([*OPERATORS.values(), *UNARY, "where", "entries", "at a step"], 1),
           "changed": 3, "call add.at": 5}                  # changes of single entries are rare outside solutions
AGAIN = 0.5                         # weight of each repeated use of a leaf, as in x / x.sum()
MANY = 12                           # bound on the factors of a product and the summands of a sum


class Term(NamedTuple):
    op: str                         # an operation, "layer NAME", "call NAME", "const VALUE" or "leaf NAME"
    of: tuple = ()                  # numbers of other terms


class Terms:
    """All terms, each stored once and named by its number. `layers`: names of the functions that belong to tasks."""

    def __init__(self, layers):
        self.layers, self.all, self._numbers, self._weights = frozenset(layers), [], {}, {}

    def number(self, op, *of):
        """The number of a term, which is added if it is new."""
        term = Term(op, of)
        if term not in self._numbers:
            self._numbers[term] = len(self.all)
            self.all.append(term)
        return self._numbers[term]

    def weight(self, number):
        """Operations in a term, equal subterms counted once, plus AGAIN for each repeated use of a leaf."""
        if number not in self._weights:
            inside = [self.all[k] for k in self.inside(number)]
            leaves = [k for term in inside for k in set(term.of) if self.all[k].op.startswith("leaf")]
            self._weights[number] = sum(map(self._counts, inside)) + AGAIN * (len(leaves) - len(set(leaves)))
        return self._weights[number]

    def inside(self, number):
        """Numbers of a term and of all its subterms."""
        found, todo = set(), [number]
        while todo:
            k = todo.pop()
            if k not in found:
                found.add(k)
                todo.extend(self.all[k].of)
        return found

    def _counts(self, term):
        if term.op.startswith("layer "):
            return LAYER
        return len(term.of) - 1 if term.op in ("+", "*") else COUNTED.get(term.op, 0)


class Reader(ast.NodeVisitor):
    """Reads statements into `terms`.

    places: term -> the lines it stands in; named: terms that were assigned to a variable; roots: terms of whole
    expressions, in order.
    """

    def __init__(self, terms):
        self.terms, self.places, self.named, self.roots = terms, {}, set(), []
        self._names, self._loop, self._line, self._fresh = {}, set(), 0, 0

    def read(self, tree):
        """Read the statements of a module and of its functions -> self."""
        for statement in tree.body:
            self.visit(statement)
        return self

    # --- statements -----------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node):
        names, loop = self._names, self._loop
        self._names, self._loop = dict(names), set()
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            self._names.pop(argument.arg, None)
        for statement in node.body:
            self.visit(statement)
        self._names, self._loop = names, loop

    def visit_Assign(self, node):
        value = node.value
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
                parts = [self._root(part) for part in value.elts]
                for name, part in zip(target.elts, parts):
                    self._assign(name, part)
            else:
                self._assign(target, self._root(value))

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self._assign(node.target, self._root(node.value))

    def visit_AugAssign(self, node):
        changed = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
        self._assign(node.target, self._root(changed))

    def visit_Return(self, node):
        for part in node.value.elts if isinstance(node.value, ast.Tuple) else [node.value] if node.value else []:
            self._root(part)

    def visit_Expr(self, node):
        self._root(node.value)

    def visit_For(self, node):
        self._root(node.iter)
        loop, self._loop = self._loop, self._loop | (_stored(node.target) if _counts(node.iter) else set())
        self._repeat(node)
        self._loop = loop

    def visit_While(self, node):
        self._root(node.test)
        self._repeat(node)

    def _repeat(self, node):
        """The body of a loop. Variables that it assigns are unknown at its beginning."""
        for name in _stored(node):
            self._names[name] = self._unknown()
        for statement in [*node.body, *node.orelse]:
            self.visit(statement)

    def _assign(self, target, number):
        if isinstance(target, (ast.Tuple, ast.List)):
            for k, part in enumerate(target.elts):
                whole = self.terms.all[number].op.startswith("leaf")
                self._assign(part.value if isinstance(part, ast.Starred) else part,
                             self._make(f"leaf {k} of {number}") if whole else self._make(f"part {k}", number))
        elif isinstance(target, ast.Subscript) and self._index(target) in ("rows", "entries"):
            self._assign(target.value, self._keep(self._make("changed", self.visit(target.value), number)))
        elif isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
            self._names[ast.unparse(target)] = number
            self.named.add(number)

    # --- expressions ----------------------------------------------------------------------------------------------

    def _root(self, node):
        return self._keep(self.visit(node))

    def _keep(self, number):
        self.roots.append(number)
        return number

    def visit(self, node):
        self._line = getattr(node, "lineno", self._line)
        return super().visit(node)

    def _make(self, op, *of):
        number = self.terms.number(op, *of)
        self.places.setdefault(number, set()).add(self._line)
        return number

    def _unknown(self):
        self._fresh += 1
        return self._make(f"leaf {self._fresh}")

    def generic_visit(self, node):
        """Any other node: its parts are read, but its own value is unknown."""
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            for generator in node.generators:
                self.visit(generator.iter)
                if _counts(generator.iter):
                    self._loop = self._loop | _stored(generator.target)
        for part in ast.iter_child_nodes(node):
            if isinstance(part, (ast.expr, ast.stmt, ast.keyword, ast.withitem, ast.ExceptHandler)):
                self._root(part) if isinstance(part, ast.expr) else self.visit(part)
        return self._unknown() if isinstance(node, ast.expr) else None

    def visit_Name(self, node):
        return self._names.get(node.id) if node.id in self._names else self._make(f"leaf {node.id}")

    def visit_Constant(self, node):
        is_number = isinstance(node.value, (int, float))
        return self._make(f"const {Decimal(node.value)}" if is_number else f"leaf {node.value!r}")      # 1.0 is 1

    def visit_Attribute(self, node):
        key = ast.unparse(node)
        if key in self._names:
            return self._names[key]
        if node.attr in MOVES:
            return self.visit(node.value)
        return self._make("T", self.visit(node.value)) if node.attr == "T" else self._make(f"leaf {key}")

    def visit_Subscript(self, node):
        key, kind = ast.unparse(node), self._index(node)
        if key in self._names:
            return self._names[key]
        if kind == "item":
            return self._make(f"leaf {key}")
        array = self.visit(node.value)
        return array if kind == "moved" else self._make(kind, array)

    def _index(self, node):
        """The kind of an index: "moved" (axes alone), "item" (by name), "at a step", "rows", "entries" or "slice"."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        picked = [part for part in parts if not isinstance(part, (ast.Slice, ast.Constant))]
        for part in picked:
            self.visit(part)
        if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
            return "item"
        if any(isinstance(part, ast.Name) and part.id in self._loop for part in picked):
            return "at a step"
        if picked:
            return "rows" if len(picked) == 1 else "entries"
        return "slice" if any(isinstance(part, ast.Slice) and (part.lower or part.upper) for part in parts) else "moved"

    def visit_UnaryOp(self, node):
        value = self.visit(node.operand)
        return self._make("negative", value) if isinstance(node.op, ast.USub) else value

    def visit_BinOp(self, node):
        return self._operation(OPERATORS.get(type(node.op), "call op"), self.visit(node.left), self.visit(node.right))

    def visit_Compare(self, node):
        return self._make("compare", self.visit(node.left), *map(self.visit, node.comparators))

    def visit_Starred(self, node):
        self._root(node.value)
        return self._make("leaf *")

    def visit_List(self, node):
        return self._make("list", *map(self.visit, node.elts))

    visit_Tuple = visit_List

    def visit_Call(self, node):
        name, arguments = _name(node.func), list(node.args)
        if isinstance(node.func, ast.Attribute) and _name(node.func.value) not in MODULES:
            arguments.insert(0, node.func.value)            # x.sum() as np.sum(x)
        of = [self.visit(argument) for argument in arguments]
        for keyword in node.keywords:
            self._root(keyword.value)
        op = "add.at" if ast.unparse(node.func) == "np.add.at" else NAMED_OPERATORS.get(name, name)
        result = self._called(name, op, of)
        inputs = 2 if op in OPERATORS.values() else 1 if op in ELEMENTWISE else len(of)
        for out in [*arguments[inputs:inputs + 1], *(k.value for k in node.keywords if k.arg == "out")]:
            self._assign(out, result)
        return result

    def _called(self, name, op, of):
        if name in self.terms.layers:
            return self._make(f"layer {name}", *of)
        if op in MOVES or op in UNARY:
            return of[0] if op in MOVES and of else self._make(op, *of[:1])
        if name == "square":
            return self._operation("**", of[0], self._make("const 2"))
        if op in OPERATORS.values() and len(of) in (2, 3):     # the third is out
            return self._operation(op, *of[:2])
        return self._make(op if op == "where" else f"call {op}", *of)

    def _operation(self, op, left, right):
        """A binary operation. Nested sums and products become one, with sorted parts; x * x becomes x**2."""
        if op == "*" and left == right:
            op, right = "**", self._make("const 2")
        if op == "-" and self._is_one_hot(right):
            return self._make("changed", left, self._make("-", self._make("entries", left), self._make("const 1")))
        if op not in ("+", "*"):
            return self._make(op, left, right)
        parts = [part for side in (left, right)
                 for part in (self.terms.all[side].of if self.terms.all[side].op == op else (side,))]
        return self._make(op, *sorted(parts[:MANY]))

    def _is_one_hot(self, number):
        """Whether a term is np.eye(V)[y] or np.arange(V) == y."""
        op, of = self.terms.all[number]
        made = {"rows": ("call eye", "call identity"), "compare": ("call arange",)}.get(op, ())
        return any(self.terms.all[k].op in made for k in of)


def _stored(node):
    """Names that a node assigns."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _name(node):
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _counts(node):
    """Whether a loop counts steps: over range or enumerate, also reversed."""
    return any(isinstance(n, ast.Call) and _name(n.func) in ("range", "enumerate") for n in ast.walk(node))
