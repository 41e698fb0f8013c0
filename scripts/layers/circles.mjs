/** The circles of a graph: strongly connected components of two or more names (Tarjan 1972). */
export function circlesOf(graph) {
  const order = new Map();
  const lowest = new Map();
  const path = [];
  const circles = [];
  const visit = (name) => {
    order.set(name, order.size);
    lowest.set(name, order.get(name));
    path.push(name);
    for (const next of graph.get(name) ?? []) {
      if (!order.has(next)) visit(next);
      if (path.includes(next)) lowest.set(name, Math.min(lowest.get(name), lowest.get(next)));
    }
    if (lowest.get(name) !== order.get(name)) return;
    const circle = path.splice(path.indexOf(name));
    if (circle.length > 1) circles.push(circle.sort());
  };
  for (const name of graph.keys()) if (!order.has(name)) visit(name);
  return circles;
}
