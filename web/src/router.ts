// Addresses of pages. They stand behind `#`, so that they work below any path and in a file.

import { signal } from "@preact/signals";

export interface Route {
  parts: string[];
  query: URLSearchParams;
}

function parse(): Route {
  const text = location.hash.replace(/^#\/?/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  };
  return {
    parts: path.split("/").filter((part) => part !== "").map(decode),
    query: new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1)),
  };
}

export const route = signal<Route>(parse());
addEventListener("hashchange", () => (route.value = parse()));

export type Query = { [name: string]: string | number | null | undefined };

/** The address of a page. */
export function href(parts: string[], query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export function go(address: string): void {
  location.hash = address;
}

/** Changes the query of this page. With `replace`, the step back skips the former one. */
export function setQuery(change: Query, replace = true): void {
  const now: Query = Object.fromEntries(route.value.query);
  const address = href(route.value.parts, { ...now, ...change });
  if (!replace) return go(address);
  history.replaceState(null, "", address);
  route.value = parse();
}
