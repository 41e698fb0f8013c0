/** Which proxy a URL is reached through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as curl and Python read them. */

import { argument } from "../errors/check-options.js";

/** The proxy for `url`; undefined for a direct connection. @throws ARGUMENT if the variable is no URL */
export function proxyFor(caller: string, url: URL, env = process.env): string | undefined {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const text = env[name.toLowerCase()] || env[name];
  if (!text || isDirect(url, env["no_proxy"] || env["NO_PROXY"] || "")) return undefined;
  const proxy = text.includes("://") ? text : `http://${text}`;
  if (/^https?:/i.test(proxy) && URL.canParse(proxy)) return proxy;
  // Not shown: a password may be in it.
  throw argument(caller, "an http or https URL", name, "another value");
}

/** Names in NO_PROXY cover their subdomains; "*" covers everything; a port, if given, has to match. */
function isDirect(url: URL, list: string): boolean {
  const host = bare(url.hostname);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      if (entry === "*") return true;
      const [, name = "", entryPort] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? ["", entry];
      if (entryPort !== undefined && entryPort !== port) return false;
      const suffix = bare(name.replace(/^\*?\./, ""));
      return suffix !== "" && (host === suffix || host.endsWith(`.${suffix}`));
    });
}

/** Without the brackets of an IPv6 address. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}
