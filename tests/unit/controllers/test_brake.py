"""How a disagreement over a Secret is kept from becoming a fight: tables over a virtual clock."""

from vso.apis.meta import Key
from vso.controllers.brake import FREE, Brake

KEY = Key("ns", "app")


def repairs(brake: Brake, *, seconds: float, step: float = 0.02) -> list[float]:
    """When a Secret that is changed back at once is repaired, over `seconds`."""
    done, now = [], 0.0
    while now < seconds:
        wait = brake.wait(KEY, now)
        if wait == 0.0:
            done.append(now)
        now += max(wait, step)
    return done


def test_the_first_repairs_are_done_at_once() -> None:
    """A person who edits a Secret by hand sees it mended within a second."""
    brake = Brake()
    assert [brake.wait(KEY, at) for at in (0.0, 1.0, 2.0, 3.0, 4.0)] == [0.0] * FREE


def test_a_fight_slows_down_to_one_repair_a_minute() -> None:
    """A hundred in two seconds become some twenty in ten minutes."""
    done = repairs(Brake(), seconds=600)
    assert len(done) < 20
    assert done[-1] - done[-2] > 59.9


def test_after_a_quiet_time_all_is_forgotten() -> None:
    """Repairs are quick again."""
    brake = Brake()
    last = repairs(brake, seconds=600)[-1]
    assert [brake.wait(KEY, last + 200 + at) for at in range(FREE)] == [0.0] * FREE


def test_resources_do_not_brake_each_other() -> None:
    """Each is counted by itself."""
    brake = Brake()
    repairs(brake, seconds=60)
    assert brake.wait(Key("ns", "other"), 60.0) == 0.0


def test_a_contest_is_told_until_nobody_was_held_back_for_a_while() -> None:
    """Quick repairs alone are none."""
    brake = Brake()
    quick = [brake.wait(KEY, 0.0) for _ in range(FREE)]
    before = brake.calm_in(KEY, 0.0)
    brake.wait(KEY, 1.0)
    assert (quick, before) == ([0.0] * FREE, None)
    assert [brake.calm_in(KEY, at) for at in (1.0, 119.0, 120.0)] == [119.0, 1.0, None]
