// Renders the cases of templates.py and compares: each must equal jinja2's text, or be refused
// (TOKENIZER by name; ARGUMENT only if jinja2 refuses it, too). Exit code 1 if one differs.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { GemlensError } from "../../lib/index.js";
import { renderChat } from "../../lib/tokenizer/chat-template.js";

interface Case {
  readonly template: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly expected?: string;
  readonly error?: string;
}

const mostShown = Number(process.env["SHOWN"] ?? 20);
const counts = { equal: 0, refusedByBoth: 0, unsupported: 0, differs: 0 };
const reasons = new Map<string, number>();

function outcomeOf({ template, variables }: Case): { text: string } | { error: GemlensError } {
  try {
    return { text: renderChat({ text: template, file: "f" }, variables) };
  } catch (error) {
    if (GemlensError.is(error)) return { error };
    console.error("threw", JSON.stringify(template));
    throw error;
  }
}

async function compareAll(file: string): Promise<void> {
  const lines = createInterface({ input: createReadStream(file) });
  for await (const line of lines) {
    // JSON.parse throws on Python's NaN, but no variable is NaN.
    const one = JSON.parse(line) as Case;
    const outcome = outcomeOf(one);
    if ("text" in outcome && outcome.text === one.expected) counts.equal++;
    else if ("error" in outcome && one.error !== undefined) counts.refusedByBoth++;
    else if (
      "error" in outcome &&
      outcome.error.code === "TOKENIZER" &&
      /gemlens renders|fits/.test(outcome.error.message)
    ) {
      counts.unsupported++;
      const reason = outcome.error.message.replace(/^.*got /, "").slice(0, 60);
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    } else {
      counts.differs++;
      if (counts.differs <= mostShown) {
        console.log(JSON.stringify(one.template));
        console.log("  jinja2 ", JSON.stringify(one.expected ?? one.error));
        console.log(
          "  gemlens",
          "text" in outcome ? JSON.stringify(outcome.text) : outcome.error.message,
        );
        if (process.env["VARIABLES"]) console.log("  ", JSON.stringify(one.variables));
      }
    }
  }
  console.log(counts);
  const common = [...reasons].sort(([, a], [, b]) => b - a).slice(0, 40);
  console.log(common.map(([reason, count]) => `${count} ${reason}`).join("\n"));
  process.exitCode = counts.differs > 0 ? 1 : 0;
}

compareAll(process.argv[2] as string).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 2;
});
