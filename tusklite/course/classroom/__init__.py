"""The course in the hands of a class: copies for students and for who teaches, and what students hand in, graded."""

from __future__ import annotations

from tusklite.course.classroom.copies import read_students, write_instructor_copies, write_student_copies
from tusklite.course.classroom.exercises import Exercise, exercises_of, find_lessons
from tusklite.course.classroom.grading import count_statuses, grade_class
from tusklite.course.classroom.sandbox import Limits

__all__ = [
    "Exercise",
    "Limits",
    "count_statuses",
    "exercises_of",
    "find_lessons",
    "grade_class",
    "read_students",
    "write_instructor_copies",
    "write_student_copies",
]
