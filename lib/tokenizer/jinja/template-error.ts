/** An error that jinja2 would raise too: the template is broken, or refuses the messages. */
export class TemplateError extends Error {}
