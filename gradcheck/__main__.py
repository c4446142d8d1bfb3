"""python -m gradcheck: check every public pair of rnnlayers and the models; exit code 1 if a gradient is wrong."""
import argparse
import sys

from gradcheck.suite import TOLERANCE, check_all


def main():
    argparse.ArgumentParser(prog="python -m gradcheck", description=__doc__).parse_args()
    rows = check_all()
    print(f"{'pair':26s} {'worst gradient':16s} {'error':>9s}   (max|analytic - numeric| / max|numeric|, float64)")
    for row in rows:
        worst = max(row.errors, key=row.errors.get)
        print(f"{row.name:26s} {worst:16s} {row.errors[worst]:9.1e}   {'ok' if row.ok else 'WRONG'}")
    wrong = [row.name for row in rows if not row.ok]
    print(f"{len(rows)} checked with tolerance {TOLERANCE}, {len(wrong)} wrong{': ' * bool(wrong)}{', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
