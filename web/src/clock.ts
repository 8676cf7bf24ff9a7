// The present time, which moves only while the page is seen.

import { signal } from "@preact/signals";

export const clock = signal(Date.now());
setInterval(() => {
  if (!document.hidden) clock.value = Date.now();
}, 1000);
