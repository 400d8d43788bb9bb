"""Quiz."""

from screens.parts.coming import coming

coming("Quiz", "A quiz is a short, deliberate test whose numbers are computed afresh.", ["a set-up that is an address, so that a quiz can be shared", "questions of every form, computed ones from the labs", "feedback that names the misconception behind a wrong option"])
