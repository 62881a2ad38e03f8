#!/usr/bin/env python3
"""Writes characters.jsonl from the Unicode character database, as Debian's package unicode-data installs it.

usage: make.py [DIRECTORY] > characters.jsonl      DIRECTORY is /usr/share/unicode unless given

One JSON object per assigned character that has a line of its own in UnicodeData.txt, in code order: "code" (the key),
"name", "category", "block", "script" (left out when Common), and "upper", "lower" and "decomposition" where there are
any. Ranges that the database writes as a first and a last line (ideographs, Hangul, private use) are left out.
"""

import bisect
import json
import sys


def ranges(path):
    """The (first, last, value) of a file whose lines are 'XXXX[..YYYY] ; value # comment', ascending."""
    found = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.split("#")[0].split(";")
            if len(fields) == 2:
                first, _, last = fields[0].strip().partition("..")
                found.append((int(first, 16), int(last or first, 16), fields[1].strip()))
    return sorted(found)


def look_up(table, code):
    """The value of the range that holds the code, or None."""
    index = bisect.bisect_right(table, (code, sys.maxsize, "")) - 1
    return table[index][2] if index >= 0 and table[index][1] >= code else None


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode"
    blocks = ranges(directory + "/Blocks.txt")
    scripts = ranges(directory + "/Scripts.txt")
    with open(directory + "/UnicodeData.txt", encoding="ascii") as lines:
        for line in lines:
            fields = line.rstrip("\n").split(";")
            if fields[1].endswith((", First>", ", Last>")):
                continue
            code = int(fields[0], 16)
            row = {
                "code": "U+" + fields[0],
                # Control characters have no name, only the one that Unicode 1.0 gave them.
                "name": fields[10] or fields[1] if fields[1] == "<control>" else fields[1],
                "category": fields[2],
                "block": look_up(blocks, code),
                "script": look_up(scripts, code),
                "decomposition": fields[5],
                "upper": fields[12] and "U+" + fields[12],
                "lower": fields[13] and "U+" + fields[13],
            }
            kept = {name: value for name, value in row.items() if value and value != "Common"}
            sys.stdout.write(json.dumps(kept, separators=(",", ":")) + "\n")


main()
