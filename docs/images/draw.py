"""The graphs of the unrolled networks, drawn as SVG: python docs/images/draw.py.

Nodes are labelled as in the code. Solid arrows are the forward, dashed ones the gradients. A graph lies on a card of
its own, light or dark as the reader's system, so that it can be read on any page.
"""
import math
from pathlib import Path

STYLE = """
  svg { font: 13px ui-monospace, Menlo, Consolas, monospace; }
  .card { fill: #ffffff; } .box { fill: #eef2ff; stroke: #4f5d95; } .step { fill: none; stroke: #b6bccf; }
  .data { fill: #f3f4f6; stroke: #8a8f9c; } text { fill: #1f2430; } .ahead { stroke: #1f2430; }
  .back { stroke: #c2410c; stroke-dasharray: 5 3; }
  text.d { fill: #c2410c; stroke: #ffffff; stroke-width: 4; paint-order: stroke; }
  #f path { fill: #1f2430; } #b path { fill: #c2410c; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #1b1e27; } .box { fill: #2a3150; stroke: #8e9be0; } .step { stroke: #4a5063; }
    .data { fill: #2a2d36; stroke: #8a8f9c; } text { fill: #e8eaf0; } .ahead { stroke: #e8eaf0; }
    .back { stroke: #fb923c; }
    text.d { fill: #fb923c; stroke: #1b1e27; } #f path { fill: #e8eaf0; } #b path { fill: #fb923c; }
  }"""
HEAD = '<marker id="{}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">' \
    '<path d="M0 0 8 4 0 8z"/></marker>'


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Graph:
    """Nodes at places, and edges between them, each with its gradient beside it."""

    def __init__(self, width, height, title):
        self.size, self.title, self.parts, self.words, self.places = (width, height), title, [], [], {}

    def text(self, x, y, words, kind=""):
        self.words.append(f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="middle">{escaped(words)}</text>')

    def node(self, name, x, y, label, width=None, kind="box"):
        """A box around a label of one line or more, with its centre at (x, y); without a label, a place alone."""
        lines = label.split("\n") if label else []
        w, h = width or 8 * max(map(len, lines), default=0) + 16, 18 * len(lines) + 12 if lines else 0
        self.places[name] = x, y, w / 2, h / 2
        if lines:
            self.parts.append(f'<rect class="{kind}" x="{x - w / 2:g}" y="{y - h / 2:g}" width="{w:g}" '
                              f'height="{h:g}" rx="6"/>')
        for i, line in enumerate(lines):
            self.text(x, y + 18 * (i - (len(lines) - 1) / 2) + 4.5, line)

    def frame(self, x, y, width, height, label):
        self.parts.append(f'<rect class="step" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>')
        self.text(x + 4 * len(label) + 12, y + height - 10, label)

    def border(self, name, dx, dy, shift):
        """Where a ray from the centre, moved sideways by `shift`, leaves the box of a node."""
        x, y, w, h = self.places[name]
        x, y = x - dy * shift, y + dx * shift
        reach = min((w / abs(dx) if dx else math.inf), (h / abs(dy) if dy else math.inf))
        return x + dx * reach, y + dy * reach

    def line(self, start, end, kind):
        (x, y), (u, v) = start, end
        self.parts.append(f'<line class="{kind}" x1="{x:.1f}" y1="{y:.1f}" x2="{u:.1f}" y2="{v:.1f}" '
                          f'stroke-width="1.5" marker-end="url(#{"f" if kind == "ahead" else "b"})"/>')

    def edge(self, a, b, gradient="", at=0.5):
        """An arrow from a to b, and the gradient's way back beside it, with its name at a share of the way."""
        (x, y, *_), (u, v, *_) = self.places[a], self.places[b]
        length = math.hypot(u - x, v - y)
        dx, dy = (u - x) / length, (v - y) / length
        self.line(self.border(a, dx, dy, -4), self.border(b, -dx, -dy, 4), "ahead")
        start, end = self.border(b, -dx, -dy, -4), self.border(a, dx, dy, 4)
        self.line(start, end, "back")
        if gradient:
            wide = 4 * len(gradient) + 6
            x, y = (s + at * (e - s) for s, e in zip(start, end))
            self.text(x - dy * wide, y + dx * 14 + 4, gradient, "d")

    def entry(self, x, y, value, of=0.3):
        """An entry of an array as a square: blue above zero, orange below it, the stronger the nearer to `of`."""
        colour, strength = "#4f5d95" if value > 0 else "#c2410c", min(1, abs(value) / of) * 0.6
        self.parts.append(f'<rect class="step" x="{x - 31}" y="{y - 17}" width="62" height="34"/>'
                          f'<rect x="{x - 31}" y="{y - 17}" width="62" height="34" fill="{colour}" '
                          f'fill-opacity="{strength:.2f}"/>')
        self.text(x, y + 4.5, f"{value:.4f}".rstrip("0").rstrip(".") if value else "0")

    def svg(self):
        width, height = self.size
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
                f"<title>{escaped(self.title)}</title>\n<style>{STYLE}\n</style>\n<defs>{HEAD.format('f')}"
                f'{HEAD.format("b")}</defs>\n<rect class="card" width="{width}" height="{height}" rx="8"/>\n'
                + "\n".join(self.parts + self.words) + "\n</svg>\n")


def rnn():
    graph = Graph(900, 300, "The RNN over three steps")
    graph.node("h-1", 50, 150, "h0", kind="data")
    for t in range(3):
        x = 190 + 260 * t
        graph.node(f"s{t}", x, 150, "a = x Wx\n+ prev_h Wh + b\nnext_h = tanh(a)", 150)
        graph.node(f"x{t}", x, 262, f"x[:, {t}]", kind="data")
        graph.node(f"h{t}", x, 38, f"h[:, {t}]", kind="data")
        graph.edge(f"x{t}", f"s{t}", f"dx[:, {t}]")
        graph.edge(f"s{t}", f"h{t}", f"dh[:, {t}]")
        graph.edge("h-1" if t == 0 else f"s{t - 1}", f"s{t}", "dh0" if t == 0 else "dprev_h")
    return graph


def lstm():
    graph = Graph(1120, 420, "The LSTM over two steps")
    graph.node("c", 40, 110, "c0", kind="data")
    graph.node("h", 40, 290, "h0", kind="data")
    for t in range(2):
        left, last = 100 + 510 * t, ("c", "h") if t == 0 else ("c0", "h0")
        graph.frame(left, 70, 460, 262, f"lstm_step, t = {t}")
        graph.node(f"c{t}", left + 130, 110, "next_c = f * prev_c + i * g", 226)
        for name, x in zip("ifgo", (44, 102, 160, 218)):
            graph.node(f"{name}{t}", left + x, 200, name, 34)
        graph.node(f"h{t}", left + 390, 215, "next_h = o\n* tanh(next_c)", 122)
        graph.node(f"a{t}", left + 170, 290, "a = x Wx + prev_h Wh + b", 216)
        graph.node(f"x{t}", left + 170, 388, f"x[:, {t}]", kind="data")
        graph.node(f"y{t}", left + 390, 30, f"h[:, {t}]", kind="data")
        graph.edge(last[0], f"c{t}", "dprev_c" if t else "dc0", 0.25 if t else 0.5)
        graph.edge(last[1], f"a{t}", "dprev_h" if t else "dh0", 0.45)
        for name in "ifgo":
            graph.edge(f"a{t}", f"{name}{t}")
            graph.edge(f"{name}{t}", f"h{t}" if name == "o" else f"c{t}", f"d{name}")
        graph.edge(f"c{t}", f"h{t}")
        graph.text(left + 312, 134, "dnext_h * o", "d")
        graph.text(left + 322, 150, "* (1-tanh_c**2)", "d")
        graph.edge(f"h{t}", f"y{t}", f"dh[:, {t}]", 0.25)
        graph.edge(f"x{t}", f"a{t}", f"dx[:, {t}]", 0.8)
    return graph


def gru():
    graph = Graph(1310, 510, "The GRU over two steps")
    graph.node("y-1", 45, 110, "h0", kind="data")
    for t in range(2):
        left = 140 + 580 * t
        graph.frame(left, 70, 410, 360, f"gru_step, t = {t}")
        graph.node(f"h{t}", left + 205, 110, "next_h = (1 - z) * n + z * prev_h", 280)
        graph.node(f"n{t}", left + 130, 200, "n", 34)
        graph.node(f"g{t}", left + 335, 200, "r, z", 60)
        graph.node(f"m{t}", left + 130, 290, "m = u_n + bn", 112)
        graph.node(f"u{t}", left + 130, 380, "u = prev_h Wh", 120)
        graph.node(f"a{t}", left + 335, 380, "a = x Wx + b", 116)
        graph.node(f"x{t}", left + 335, 480, f"x[:, {t}]", kind="data")
        graph.node(f"y{t}", left + 490, 110, f"h[:, {t}]", kind="data")
        graph.node(f"s{t}", left + 490, 30, "scores", kind="data")
        graph.edge(f"y{t - 1}", f"h{t}", "dnext_h * z", 0.35)
        graph.edge(f"y{t - 1}", f"u{t}", "du Wh.T", 0.6)
        for start, end, gradient in (("u", "m", "dm"), ("m", "n", "dm"), ("a", "n", "da_n"), ("a", "g", "da_r, da_z"),
                                     ("g", "n", "dr"), ("n", "h", "dn"), ("g", "h", "dz"), ("h", "y", "dnext_h")):
            graph.edge(f"{start}{t}", f"{end}{t}", gradient, 0.7 if gradient == "da_n" else 0.5)
        graph.edge(f"u{t}", f"g{t}", "da_r, da_z", 0.75)
        graph.edge(f"y{t}", f"s{t}", f"dh[:, {t}]")
        graph.edge(f"x{t}", f"a{t}", f"dx[:, {t}]", 0.75)
    return graph


def attention():
    graph = Graph(1040, 430, "The LSTM with attention over two steps")
    graph.node("A", 520, 36, "A (N, H, L): the regions, keys and values of every step", 980, "data")
    graph.node("h-1", 70, 250, "h0 = c0 =\nmean of A", kind="data")
    for t in range(2):
        left = 150 + 450 * t
        graph.node(f"w{t}", left + 60, 140, "attn, w =\nattention(prev_h, A)")
        graph.node(f"s{t}", left + 160, 260, "lstm_step(x, prev_h,\nprev_c, attn)", 180)
        graph.node(f"h{t}", left + 345, 215, f"h[:, {t}]", kind="data")
        graph.node(f"c{t}", left + 345, 310, "c", kind="data")
        graph.node(f"x{t}", left + 160, 390, f"x[:, {t}]", kind="data")
        graph.node(f"y{t}", left + 345, 110, "scores", kind="data")
        graph.edge(f"s{t}", f"h{t}")
        graph.edge(f"s{t}", f"c{t}")
        graph.edge(f"h{t - 1}", f"s{t}", "dprev_h" if t else "")
        if t:
            graph.edge(f"c{t - 1}", f"s{t}", "dprev_c", 0.5)
        graph.edge(f"h{t - 1}", f"w{t}", "dh_attn", 0.6)
        graph.edge(f"w{t}", f"s{t}", "dattn", 0.4)
        graph.edge(f"x{t}", f"s{t}", f"dx[:, {t}]")
        graph.edge(f"h{t}", f"y{t}", f"dh[:, {t}]")
        graph.places[f"A{t}"] = left + 60, 36, 0, 15
        graph.edge(f"A{t}", f"w{t}", "dA_t")
    graph.text(168, 282, "dprev_h", "d")
    graph.text(168, 298, "+ dprev_c", "d")
    graph.places["Am"] = 70, 36, 0, 15
    graph.edge("Am", "h-1", "dmean")
    return graph


def additive_attention():
    graph = Graph(1010, 330, "One step of additive attention")
    for name, x, y, label, kind in (
            ("h", 90, 275, "prev_h", "data"),
            ("keys", 300, 115, "keys = A Wa + ba", "box"), ("query", 300, 205, "query = prev_h Wq", "box"),
            ("gate", 560, 285, "gate = prev_h Wbeta + bbeta", "box"), ("s", 540, 150, "s = tanh(keys\n+ query)", "box"),
            ("w", 720, 150, "w = softmax(s v)", "box"), ("z", 900, 150, "z = sum of w A", "box"),
            ("context", 880, 280, "context =\nsigmoid(gate) * z", "box")):
        graph.node(name, x, y, label, kind=kind)
    graph.node("A", 505, 36, "A (N, L, E): the regions, as keys and as values", 970, "data")
    graph.places["Ak"], graph.places["Av"] = (300, 36, 0, 15), (900, 36, 0, 15)
    for start, end, gradient in (("Ak", "keys", "dkeys Wa.T"), ("Av", "z", "w * dz"),
                                 ("h", "query", "dquery Wq.T"), ("h", "gate", "dgate Wbeta.T"),
                                 ("keys", "s", "dkeys"), ("query", "s", "dquery"), ("s", "w", "de"), ("w", "z", "dw"),
                                 ("z", "context", "dz"), ("gate", "context", "dgate")):
        graph.edge(start, end, gradient)
    return graph


def multihead_attention():
    graph = Graph(1120, 350, "Multi-head attention: one head, between the affine layers that all heads share")
    for name, y in (("query", 70), ("key", 170), ("value", 290)):
        letter = name[0]
        graph.node(name, 60, y, name, kind="data")
        graph.node(letter, 250, y, f"{letter} = {name} W{letter} + b{letter}", 190)
        graph.edge(name, letter, f"d{letter} W{letter}.T")
    for name, x, y, label in (
            ("scores", 490, 120, "scores =\nq k.T / sqrt(d)"), ("weights", 680, 120, "weights =\nsoftmax"),
            ("mixed", 840, 230, "mixed =\nweights v"), ("out", 1020, 230, "out = mixed of\nall heads Wo + bo")):
        graph.node(name, x, y, label)
    for start, end, gradient, at in (("q", "scores", "dscores k", 0.5), ("k", "scores", "dscores.T q", 0.5),
                                     ("scores", "weights", "J", 0.5), ("weights", "mixed", "dmixed v.T", 0.75),
                                     ("v", "mixed", "weights.T dmixed", 0.5), ("mixed", "out", "dmixed", 0.5)):
        graph.edge(start, end, gradient, at)
    graph.node("mask", 680, 30, "mask", kind="data")
    graph.line((680, 46), (680, 94), "ahead")
    return graph


def softmax_jacobian():
    w, dw = (0.5, 0.3, 0.15, 0.05, 0.0), (1, 2, 0, -1, 4)
    graph = Graph(880, 300, "The Jacobian of a softmax over five keys, of which the last is blocked, times a gradient")
    mean = sum(a * b for a, b in zip(w, dw))
    columns = ((70, "weights w", w), (620, "dweights", dw), (790, "dscores", [a * (b - mean) for a, b in zip(w, dw)]))
    for k in range(5):
        y = 90 + 40 * k
        for x, _, values in columns:
            graph.entry(x, y, values[k], of=4 if x == 620 else 0.5)
        for j in range(5):
            graph.entry(200 + 66 * j, y, w[k] * ((k == j) - w[j]))
    for x, label, _ in columns:
        graph.text(x, 52, label)
    graph.text(332, 52, "J = diag(w) - w w.T: its rows sum to 0")
    for x, sign in ((540, "times"), (705, "=")):
        graph.text(x, 174, sign)
    graph.text(440, 285, "each row: w * (dweights - mean of dweights under w), here a mean of 1.05", "d")
    return graph


def decoder_layer():
    graph = Graph(1180, 250, "A decoder layer, post-norm: three residual sublayers")
    graph.node("x0", 50, 200, "x", kind="data")
    graph.node("memory", 590, 36, "memory", kind="data")
    inside = ("self-attention", "cross-attention", "feed-forward")
    for k, label in enumerate(inside):
        x = 150 + 360 * k
        graph.node(f"f{k}", x + 70, 110, label)
        graph.node(f"s{k}", x + 70, 200, "+", 34)
        graph.node(f"n{k}", x + 180, 200, "norm", 60)
        graph.node(f"x{k + 1}", x + 280, 200, ("y", "z", "out")[k], kind="data")
        graph.edge(f"x{k}", f"f{k}", "dinside", 0.5)
        graph.edge(f"x{k}", f"s{k}", "dsum", 0.5)
        graph.edge(f"f{k}", f"s{k}", "dsum")
        graph.edge(f"s{k}", f"n{k}")
        graph.edge(f"n{k}", f"x{k + 1}")
    graph.edge("memory", "f1", "dmemory")
    return graph


def captioner():
    graph = Graph(900, 560, "The captioner over three words")
    graph.node("image", 80, 300, "features\n-> h0", kind="data")
    words, targets = ("<START>", "a", "dog"), ("a", "dog", "<END>")
    for t in range(3):
        x = 260 + 240 * t
        rows = (("word", 520, words[t], "data"), ("x", 420, "x = W_embed[word]", "box"), ("cell", 300, "cell", "box"),
                ("scores", 180, "scores =\nh W_vocab + b_vocab", "box"), ("loss", 60, f"-log p[{targets[t]}]", "box"))
        for name, y, label, kind in rows:
            graph.node(f"{name}{t}", x, y, label, kind=kind)
        graph.line((x, 505), (x, 436), "ahead")
        graph.edge(f"x{t}", f"cell{t}", "dx")
        graph.edge(f"cell{t}", f"scores{t}", "dh")
        graph.edge(f"scores{t}", f"loss{t}", "dscores")
        graph.edge(f"cell{t - 1}" if t else "image", f"cell{t}", "dprev_h" if t else "dh0")
    return graph


GRAPHS = {"rnn": rnn, "lstm": lstm, "gru": gru, "attention_unrolled": attention,
          "additive_attention": additive_attention, "multihead_attention": multihead_attention,
          "softmax_jacobian": softmax_jacobian, "decoder_layer": decoder_layer, "captioner": captioner}

if __name__ == "__main__":
    for name, graph in GRAPHS.items():
        (Path(__file__).parent / f"{name}.svg").write_text(graph().svg(), encoding="utf-8")
