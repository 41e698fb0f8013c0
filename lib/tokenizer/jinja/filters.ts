import type { Filter } from "./filter-context.js";
import { sequenceFilters } from "./sequence-filters.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { textFilters } from "./text-filters.js";

/** Finds a filter by name. Throws TemplateUnsupported if only jinja2 has it. */
export function filterOf(name: string): Filter {
  for (const filters of [sequenceFilters, textFilters]) {
    const filter = Object.hasOwn(filters, name) ? filters[name] : undefined;
    if (filter !== undefined) return filter;
  }
  throw new TemplateUnsupported(`the filter ${name}`);
}
