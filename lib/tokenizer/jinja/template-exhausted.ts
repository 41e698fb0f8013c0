/** A chat template needs more time or memory than any prompt should. */
export class TemplateExhausted extends Error {}
