// A dialog of the browser: it keeps the focus, and Escape closes it.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons";

export function Dialog({ title, close, children }: { title: string; close: () => void;
  children: ComponentChildren }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!box.current?.open) box.current?.showModal();
  }, []);
  return (
    <dialog ref={box} onClose={close} aria-label={title}
      onClick={(event) => event.target === box.current && close()}>
      <div class="dialog-head">
        <h2>{title}</h2>
        <button class="ghost icon-button" aria-label="Close" onClick={close}><Icon name="close" /></button>
      </div>
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}
