"""Draws the screen of a terminal emulator as an SVG file: text as text, in the reader's own monospace font."""

from html import escape

import pyte

# The colours of a terminal with a light and with a dark background.
THEMES = {
    "light": {
        "background": "#ffffff", "text": "#1f2328", "dim": "#656d76", "border": "#d0d7de",
        "black": "#24292f", "red": "#cf222e", "green": "#116329", "brown": "#7d4e00", "blue": "#0550ae",
        "magenta": "#8250df", "cyan": "#1b7c83", "white": "#57606a",
        "brightblack": "#57606a", "brightred": "#a40e26", "brightgreen": "#1a7f37", "brightbrown": "#633c01",
        "brightblue": "#0969da", "brightmagenta": "#a475f9", "brightcyan": "#3192aa", "brightwhite": "#6e7781",
    },
    "dark": {
        "background": "#0d1117", "text": "#e6edf3", "dim": "#8b949e", "border": "#30363d",
        "black": "#484f58", "red": "#ff7b72", "green": "#3fb950", "brown": "#d29922", "blue": "#58a6ff",
        "magenta": "#bc8cff", "cyan": "#39c5cf", "white": "#b1bac4",
        "brightblack": "#6e7681", "brightred": "#ffa198", "brightgreen": "#56d364", "brightbrown": "#e3b341",
        "brightblue": "#79c0ff", "brightmagenta": "#d2a8ff", "brightcyan": "#56d4dd", "brightwhite": "#ffffff",
    },
}
# The size of a cell, in pixels, for a font of 14 pixels.
CELL, LINE, SIZE, MARGIN = 8.43, 19, 14, 14
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"


class Screen(pyte.Screen):
    """A screen that knows dimmed text and the second screen of a terminal, which `pyte` does not."""

    def select_graphic_rendition(self, *attributes, **kwargs):
        # "Dimmed" is kept as "blinking", which no command uses here.
        changed = [5 if code == 2 else code for code in attributes]
        if 22 in changed:
            changed.append(25)
        super().select_graphic_rendition(*changed, **kwargs)

    def set_mode(self, *modes, **kwargs):
        if kwargs.get("private") and 1049 in modes:
            self.kept = [dict(self.buffer[row]) for row in range(self.lines)]
            self.erase_in_display(2)
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes, **kwargs):
        super().reset_mode(*modes, **kwargs)
        if kwargs.get("private") and 1049 in modes and hasattr(self, "kept"):
            self.erase_in_display(2)
            for row, cells in enumerate(self.kept):
                self.buffer[row].update(cells)

    def text_rows(self):
        """The rows up to the last one with text."""
        rows = [row.rstrip() for row in self.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows


def spans(screen, row):
    """The pieces of a row that have one style: (column, text, columns, cell)."""
    found, column = [], 0
    while column < screen.columns:
        cell = screen.buffer[row][column]
        wide = column + 1 < screen.columns and screen.buffer[row][column + 1].data == ""
        style = (cell.fg, cell.bg, cell.bold, cell.italics, cell.underscore, cell.reverse, cell.blink, cell.strikethrough)
        # A wide letter stands alone: no font makes it just as wide as two others.
        if found and found[-1][4] == style and not wide and not found[-1][5]:
            start, text, columns, first, *rest = found[-1]
            found[-1] = (start, text + cell.data, columns + 1, first, *rest)
        else:
            found.append((column, cell.data, 2 if wide else 1, cell, style, wide))
        column += 2 if wide else 1
    return found


def draw(screen, theme, title):
    """Returns the SVG text."""
    colours = THEMES[theme]
    rows = screen.text_rows()
    width = screen.columns * CELL + 2 * MARGIN
    height = len(rows) * LINE + 2 * MARGIN

    def colour(name, usual):
        if name == "default":
            return colours[usual]
        return colours.get(name, f"#{name}")

    shapes, texts = [], []
    for row in range(len(rows)):
        top = MARGIN + row * LINE
        for column, text, columns, cell, _, _ in spans(screen, row):
            front, back = colour(cell.fg, "dim" if cell.blink else "text"), cell.bg
            if cell.reverse:
                front, back = colours["background"] if back == "default" else colour(back, "text"), front
            if back != "default":
                fill = back if back.startswith("#") else colour(back, "background")
                shapes.append(f'<rect x="{MARGIN + column * CELL:.1f}" y="{top}" width="{columns * CELL:.1f}" '
                              f'height="{LINE}" fill="{fill}"/>')
            if not text.strip():
                continue
            begins = len(text) - len(text.lstrip())
            text, columns, column = text.strip(), columns - (len(text) - len(text.strip())), column + begins
            attributes = f'x="{MARGIN + column * CELL:.1f}" y="{top + 14}" textLength="{columns * CELL:.1f}"'
            if front != colours["text"]:
                attributes += f' fill="{front}"'
            if cell.blink and cell.fg != "default":
                attributes += ' opacity="0.7"'
            for is_set, attribute in [(cell.bold, 'font-weight="bold"'), (cell.italics, 'font-style="italic"'),
                                      (cell.underscore, 'text-decoration="underline"'),
                                      (cell.strikethrough, 'text-decoration="line-through"')]:
                attributes += f" {attribute}" if is_set else ""
            texts.append(f"<text {attributes}>{escape(text).replace(' ', chr(160))}</text>")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1}" rx="6" '
        f'fill="{colours["background"]}" stroke="{colours["border"]}"/>',
        *shapes,
        f'<g font-family="{FONTS}" font-size="{SIZE}" fill="{colours["text"]}">',
        *texts, "</g>", "</svg>", ""])
