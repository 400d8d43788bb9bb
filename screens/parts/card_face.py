"""A card as Markdown: what stands on its front and on its back. Review, Read and Quiz show the same faces."""

from __future__ import annotations

from backend.cards import gaps_hidden, gaps_shown
from backend.questions import Form, Question, show_quantity
from screens.parts.harmless_text import without_remote_pictures

BLANK = "`   ?   `"


def prompt(question: Question) -> str:
    """The question alone; a gap is blanked."""
    text = gaps_hidden(question.prompt, question.gap, blank=BLANK) if question.form is Form.GAP else question.prompt
    return without_remote_pictures(text)


def choices(question: Question) -> list[str]:
    """What can be picked: options, or steps and right sides in the order they are laid out."""
    if question.form is Form.CHOICE:
        return [without_remote_pictures(option.text) for option in question.options]
    if question.form is Form.ORDER:
        return [without_remote_pictures(question.steps[index]) for index in laid_out(question)]
    if question.form is Form.MATCH:
        return [without_remote_pictures(question.pairs[index][1]) for index in laid_out(question)]
    return []


def laid_out(question: Question) -> tuple[int, ...]:
    """Indices of steps or pairs as they lie on the table. Unshuffled ones are turned round: the right order would tell."""
    return question.shown or tuple(reversed(range(len(question.steps or question.pairs))))


def lefts(question: Question) -> str:
    """The left sides of a matching, numbered: they are matched in this order."""
    if question.form is not Form.MATCH:
        return ""
    listed = "\n".join(f"{number}. {without_remote_pictures(left)}" for number, (left, _) in enumerate(question.pairs, 1))
    return f"{listed}\n\n*Pick what belongs to 1, then to 2, and so on:*"


def front(question: Question) -> str:
    """The whole front as one text."""
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(choices(question), 1))
    return "\n\n".join(part for part in (prompt(question), lefts(question), listed) if part)


def back(question: Question) -> str:
    """The key first, then why."""
    whole = "\n\n".join(part for part in (key(question), question.answer, reasons(question), working(question)) if part)
    return without_remote_pictures(whole)


def key(question: Question) -> str:
    """The right answer alone; nothing for prose, whose answer speaks for itself."""
    match question.form:
        case Form.GAP:
            return gaps_shown(question.prompt, question.gap)
        case Form.CHOICE:
            return "".join(f"**{number}.** {option.text}" for number, option in enumerate(question.options, 1) if option.right)
        case Form.NUMBER if question.quantity:
            return f"**{show_quantity(question.quantity)}**"
        case Form.TERM:
            return f"**{question.terms[0]}**" + (f" (also: {', '.join(question.terms[1:])})" if question.terms[1:] else "")
        case Form.ORDER:
            return "\n".join(f"{number}. {step}" for number, step in enumerate(question.steps, 1))
        case Form.MATCH:
            left, right = question.heads
            return "\n".join([f"| {left} | {right} |", "|---|---|", *(f"| {a} | {b} |" for a, b in question.pairs)])
    return ""


def reasons(question: Question) -> str:
    """Why each option is right or wrong."""
    told = [
        f"- {'✓' if option.right else '✗'} **{number}.** {option.why or option.mistake}"
        for number, option in enumerate(question.options, 1)
        if option.why or option.mistake
    ]
    return "\n".join(told)


def working(question: Question) -> str:
    return "\n\n".join(question.working)
