// Describes sample workflows for the development server: a plan in the form of `/v1`, made of what
// `stepwright check --format json` says of a file. A development tool; a server has the plan itself.

/** Turns a step of `check` into a node of a plan. */
export function nodeOf(step) {
  const inner = (step.steps ?? []).map(nodeOf);
  const after = inner.filter((node) => node.kind.after);
  const body = inner.filter((node) => !node.kind.after);
  const node = (kind) => ({ name: step.name, kind, ...(after.length ? { after } : {}) });
  switch (step.kind) {
    case "parallel": return node({ parallel: { branches: body } });
    case "router": return node({ router: { choices: body } });
    case "map": return node({ map: { body } });
    case "loop": return node({ loop: { body } });
    case "if": {
      const branch = (name) => (step.steps ?? []).find((one) => one.name === name || one.kind === name);
      return node({ condition: { then: (branch("then")?.steps ?? []).map(nodeOf),
        otherwise: (branch("else")?.steps ?? []).map(nodeOf) } });
    }
    case "steps": return node({ steps: { body } });
    default:
      if (["finally", "on_failure", "undo"].includes(step.kind ?? step.name)) {
        return { name: step.name ?? step.kind, kind: { after: { on: step.kind ?? step.name, body } } };
      }
      return node({ step: { executor_type: step.kind === "agent" ? "agent" : "function",
        executor_name: step.kind === "agent" ? (step.detail ?? "").split(",")[0] : step.kind } });
  }
}

export function planOf(checked) {
  const nodes = checked.steps.map(nodeOf);
  return { name: checked.name, body: nodes.filter((node) => !node.kind.after),
    after: nodes.filter((node) => node.kind.after) };
}
