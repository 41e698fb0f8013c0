import { TemplateUnsupported } from "./template-unsupported.js";

const two = (value: number): string => String(value).padStart(2, "0");

/** Python's strftime of the current time, in the C locale. */
export function strftimeNow(format: string): string {
  const now = new Date();
  const name = (option: "month" | "weekday", style: "long" | "short") =>
    now.toLocaleString("en-US", { [option]: style });
  const hour12 = now.getHours() % 12 || 12;
  const newYear = new Date(now.getFullYear(), 0, 1);
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const day = 1 + Math.round((midnight.getTime() - newYear.getTime()) / 86_400_000);
  const date = `${two(now.getMonth() + 1)}/${two(now.getDate())}/${two(now.getFullYear() % 100)}`;
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  const parts: Readonly<Record<string, string>> = {
    Y: String(now.getFullYear()),
    y: two(now.getFullYear() % 100),
    m: two(now.getMonth() + 1),
    d: two(now.getDate()),
    e: String(now.getDate()).padStart(2),
    H: two(now.getHours()),
    I: two(hour12),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    p: now.getHours() < 12 ? "AM" : "PM",
    B: name("month", "long"),
    b: name("month", "short"),
    A: name("weekday", "long"),
    a: name("weekday", "short"),
    j: String(day).padStart(3, "0"),
    F: `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`,
    D: date,
    x: date,
    T: time,
    X: time,
    "-d": String(now.getDate()),
    "-m": String(now.getMonth() + 1),
    "-H": String(now.getHours()),
    "-I": String(hour12),
    "-M": String(now.getMinutes()),
    "%": "%",
  };
  return format.replace(/%(-?.|$)/gs, (whole, key: string) => {
    const part = parts[key];
    if (part === undefined) throw new TemplateUnsupported(`${whole} in strftime_now`);
    return part;
  });
}
