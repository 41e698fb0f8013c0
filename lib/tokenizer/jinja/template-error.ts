/** Python's jinja2 refuses this, too: a template's error, or messages that it does not take. */
export class TemplateError extends Error {}
