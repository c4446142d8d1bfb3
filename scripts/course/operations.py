"""Terms that know which operations are in them, to see at once where a pattern cannot match."""
import functools
import operator

from scripts.course.terms import Terms


class TermsWithOperations(Terms):
    """Terms, and the operations and constants in each, as bits of a whole number.

    Leaves have no bit, since they match anything; nor have a layer's arguments, which may be left out.
    """

    def __init__(self, layers):
        super().__init__(layers)
        self._bits, self._operations = {}, {}

    def operations(self, number):
        """The bits of one term."""
        if number not in self._operations:
            op, of = self.all[number]
            own = 0 if op.startswith("leaf") else self._bits.setdefault(op, 1 << len(self._bits))
            self._operations[number] = own if op.startswith("layer") else own | self.union(of)
        return self._operations[number]

    def union(self, numbers):
        """The bits of some terms together."""
        return functools.reduce(operator.or_, map(self.operations, numbers), 0)
