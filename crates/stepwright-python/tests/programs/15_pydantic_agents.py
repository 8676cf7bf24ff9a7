# An agent answers with a Pydantic model, and the next step takes it.
from pydantic import BaseModel

from stepwright import Agent, Step, StepError, Workflow


class Order(BaseModel):
    item: str
    count: int


class Bill(BaseModel):
    item: str
    total: float


def price(order: Order) -> Bill:
    return Bill(item=order.item, total=2.5 * order.count)


reader = Agent("Reader", output_schema=Order)
workflow = Workflow("Shop", [Step("Read", agent=reader), Step("Price", executor=price)])
output = workflow.run("two apples")
print(output.step_results[0].content)
print(Bill.model_validate(output.content))

typed = Workflow("Typed", [price], input_schema=Order)
print(typed.run(Order(item="pear", count=2)).content)
print(typed.run({"item": "plum", "count": "4"}).content)
try:
    typed.run({"item": "fig"})
except Exception as error:
    print(type(error).__name__, "count" in str(error))
