# Worker processes that are spawned, and outputs that travel back.
import multiprocessing

from stepwright import Step, StepError, Workflow


def divide(number: int) -> float:
    return 12 / number


def work(number: int):
    try:
        return Workflow("D", [Step("Divide", executor=divide)]).run(number)
    except StepError as error:
        return error


if __name__ == "__main__":
    workflow = Workflow("D", [Step("Divide", executor=divide)])
    print(workflow.run(2).content)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        three, nothing = pool.map(work, [3, 0])
    print(three.status, three.content)
    print(type(nothing).__name__, nothing.step, nothing.attempts)
