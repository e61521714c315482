#!/usr/bin/env python3
"""Makes a C++ header of text files, for Meson: NAME.EXT becomes a std::string_view page_NAME.

usage: embed.py HEADER FILE...
"""
import pathlib
import sys

# Longer literals are not for every compiler; those that stand side by side are one.
PIECE = 8000


def literal(text):
    pieces = [text[i:i + PIECE] for i in range(0, len(text), PIECE)]
    return "\n".join(f'    R"page({piece})page"' for piece in pieces)


def main():
    header, files = pathlib.Path(sys.argv[1]), [pathlib.Path(f) for f in sys.argv[2:]]
    constants = "\n\n".join(f"inline constexpr std::string_view page_{f.stem} =\n{literal(f.read_text(encoding='utf-8'))};"
                            for f in files)
    header.write_text(f"""// Made of the files in lib/sim/trace_page.
#pragma once

#include <string_view>

namespace bight::sim::detail {{

{constants}

}}  // namespace bight::sim::detail
""", encoding="utf-8")


if __name__ == "__main__":
    main()
