"""Who has answered a question, and who will not."""

import pytest

from moongate.cluster.requests import Question, Survey

pytestmark = pytest.mark.anyio


def is_complete(question: Question) -> bool:
    return question.shortfall == 0


async def test_who_was_not_counted_takes_nobody_with_it():
    """Redis forgets a node that was killed at once, heartbeats after some seconds."""
    question = Question()
    question.expect(1)  # B alone; A was killed before
    question.remain(["A"], 1, ["B"])
    assert (question.shortfall, question.dead) == (1, [])
    question.answered("B", "answer")
    await question.wait()
    assert question.answers == ["answer"]


async def test_who_was_counted_is_waited_for_no_longer():
    question = Question()
    question.expect(2)
    question.answered("B", "answer")
    assert not is_complete(question)
    question.remain(["A"], 1, ["B"])
    await question.wait()
    assert (question.answers, question.dead) == (["answer"], ["A"])


async def test_who_answered_before_it_died_counts():
    question = Question()
    question.expect(3)
    question.answered("D", "last words")
    question.remain(["D"], 2, ["A", "B"])
    assert question.shortfall == 2
    question.remain(["A"], 1, ["B"])
    assert (question.shortfall, question.dead) == (1, ["A"])
    question.answered("B", "answer")
    await question.wait()


async def test_servers_that_come_later_are_not_waited_for():
    question = Question()
    question.expect(1)
    question.remain(["A"], 5, ["B"])
    assert question.shortfall == 1


async def test_what_is_not_counted_yet_is_counted_without_the_dead():
    survey = Survey()
    survey.remain(["A"], 1, ["B"])
    survey.expect(1)
    survey.counted("B", 0)
    await survey.wait()
    assert survey.dead == []
