"""One scale from closed to open, blue over the background to orange: people with any kind of colour vision tell its ends."""

from __future__ import annotations


Colour = tuple[int, int, int]
CLOSED: Colour = (33, 102, 180)
OPEN: Colour = (222, 121, 22)
LIGHT: Colour = (255, 255, 255)  # what is in the middle of the scale on a light page, and on a dark one
DARK: Colour = (27, 31, 36)


def colour_of(value: float, low: float = 0.0, high: float = 1.0, middle: Colour = LIGHT) -> Colour:
    """The colour of a value between `low` and `high`; one beyond them has the colour of the end.

    Args:
        value: a number; what is none has the colour in the middle.
        low, high: the ends of the scale.
        middle: the colour between both ends.
    """
    width = high - low
    place = 0.5 if width <= 0 or value != value else min(1.0, max(0.0, (value - low) / width))
    end, share = (OPEN, 2 * place - 1) if place >= 0.5 else (CLOSED, 1 - 2 * place)
    red, green, blue = (round(there + (to - there) * share) for there, to in zip(middle, end, strict=True))
    return red, green, blue


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever is read better on a colour (relative luminance as WCAG 2 defines it)."""
    linear = [part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def css(colour: Colour) -> str:
    """As a page writes it: "#2166b4"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
