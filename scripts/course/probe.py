"""What the kernel of this machine confines: a process is started as for a task, and says what it got."""
from scripts.course.channel import Limits, Remote
from scripts.course.task_folder import folder_of


def confined_here(without: tuple[str, ...] = ()) -> list[str]:
    """The confinement.PARTS that hold on this machine. without: mechanisms to do without."""
    with folder_of({}) as work, Remote(work, Limits(), without=without, probe=True) as remote:
        return remote.confined()
