// The run that an exported page carries with it, and the making of such pages.

import type { Event, Json, Plan, RunRow } from "./model/types";

export interface Kept {
  run: RunRow | null;
  plan: Plan | null;
  events: Event[];
}

const ID = "stepwright-run";
let found: Kept | null | undefined;

/** The run in this page, if it was exported. */
export function embedded(): Kept | null {
  if (found === undefined) {
    const text = document.getElementById(ID)?.textContent;
    found = text ? (JSON.parse(text) as Kept) : null;
  }
  return found;
}

/** Texts inside of a script element: nothing in them can end it. */
export const harmless = (text: string): string =>
  text.replace(/[<\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
  + "img-src data: blob:; media-src data: blob:; base-uri 'none'; form-action 'none'";

/** Makes one file of the page and a run. It opens without a server, and asks none. */
export async function exportRun(kept: Kept): Promise<Blob> {
  const source = (selector: string, attribute: string): Promise<string> => {
    const address = document.querySelector(selector)?.getAttribute(attribute);
    if (!address) throw new Error("this page cannot be exported again: save it as it is");
    return fetch(address).then((answer) => answer.text());
  };
  const [script, styles] = await Promise.all([
    source("script[src]", "src"), source('link[rel="stylesheet"]', "href"),
  ]);
  const title = (kept.run?.run_id ?? "run").replace(/[<>&"]/g, "_");
  const data = harmless(JSON.stringify(kept as unknown as Json));
  return new Blob([`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title><style>${styles.replaceAll("</style", "<\\/style")}</style></head>
<body><div id="app"></div>
<script type="application/json" id="${ID}">${data}</script>
<script>${script.replaceAll("</script", "<\\/script")}</script>
</body></html>
`], { type: "text/html" });
}
