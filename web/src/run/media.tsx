// Images, videos, audio and files: images as such, and others by their names.

import { createContext, type JSX } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { api } from "../api";
import { embedded } from "../embedded";
import { count } from "../format";
import type { Medium } from "../model/types";

/** The id of the run whose media are shown. */
export const RunId = createContext("");

/** The types that cannot do anything but be seen. */
const IMAGES = /^image\/(png|jpeg|gif|webp|avif)$/;

/** The largest image that is loaded without being asked for, in bytes. */
const LOADED_MAX = 20_000_000;

export function Media({ media }: { media: Medium[] }): JSX.Element {
  return <ul class="media">{media.map((medium) => <li><One medium={medium} /></li>)}</ul>;
}

function One({ medium }: { medium: Medium }): JSX.Element {
  const { bytes, stored } = medium.source;
  const isImage = medium.kind === "image" && IMAGES.test(medium.mime ?? "");
  if (isImage && bytes) return <img src={`data:${medium.mime};base64,${bytes}`} alt={medium.name ?? "image"} />;
  // An exported page asks no server.
  if (isImage && stored && stored.bytes <= LOADED_MAX && !embedded()) return <Stored medium={medium} sha256={stored.sha256} />;
  return <Name medium={medium} />;
}

/** An image whose bytes the server has. The key goes along, so that the address alone is not enough. */
function Stored({ medium, sha256 }: { medium: Medium; sha256: string }): JSX.Element {
  const run = useContext(RunId);
  const [address, setAddress] = useState<string | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    let made: string | null = null;
    api.media(run, sha256, abort.signal).then((blob) => {
      if (abort.signal.aborted) return;
      made = URL.createObjectURL(blob);
      setAddress(made);
    }, () => undefined);
    return () => {
      abort.abort();
      if (made) URL.revokeObjectURL(made);
    };
  }, [run, sha256]);
  return address ? <img src={address} alt={medium.name ?? "image"} /> : <Name medium={medium} />;
}

/** Nothing is fetched from elsewhere: an address is shown, and not loaded. */
function Name({ medium }: { medium: Medium }): JSX.Element {
  const { stored, url, path } = medium.source;
  return (
    <>
      <span class="type">{medium.kind}</span> <code>{medium.name ?? url ?? path ?? medium.mime ?? ""}</code>
      {stored && <span class="quiet"> {count(stored.bytes)} bytes</span>}
    </>
  );
}
