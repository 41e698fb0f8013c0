/** A construct that gemlens does not render as Python does, by name. */
export class TemplateUnsupported extends Error {}
