/** A construct that gemlens does not render like Python; the message names it. */
export class TemplateUnsupported extends Error {}
