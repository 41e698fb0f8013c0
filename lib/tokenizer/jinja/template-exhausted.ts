/** A chat template asks for more time or memory than a prompt can need. */
export class TemplateExhausted extends Error {}
