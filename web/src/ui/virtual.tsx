// A list of which only the rows in sight exist.

import { Component, createRef, type ComponentChildren, type JSX } from "preact";

interface Props {
  count: number;
  height: number;
  row: (index: number) => ComponentChildren;
  class?: string;
  label: string;
  role?: "group" | "table" | "tree" | "listbox" | "log";
  /** The row to keep in sight. */
  show?: number | null;
  /** Called when the last rows come into sight. */
  end?: () => void;
  /** Keeps the end in sight while rows are added, unless the reader has scrolled away. */
  tail?: boolean;
  header?: ComponentChildren;
}

const OVERSCAN = 6;

interface Seen {
  top: number;
  size: number;
}

export class VirtualList extends Component<Props, Seen> {
  override state: Seen = { top: 0, size: 600 };
  private box = createRef<HTMLDivElement>();
  private watch: ResizeObserver | null = null;
  private atEnd = true;

  override componentDidMount(): void {
    const box = this.box.current!;
    this.watch = new ResizeObserver(() => this.setState({ size: box.clientHeight }));
    this.watch.observe(box);
    this.reveal();
    if (this.props.tail) box.scrollTop = box.scrollHeight;
  }

  override componentWillUnmount(): void {
    this.watch?.disconnect();
  }

  override componentDidUpdate(before: Props): void {
    if (this.props.show !== before.show) this.reveal();
    const box = this.box.current!;
    if (this.props.tail && this.atEnd && this.props.count !== before.count) {
      box.scrollTop = box.scrollHeight;
    }
  }

  private reveal(): void {
    const { show, height } = this.props;
    const box = this.box.current;
    if (show === null || show === undefined || show < 0 || !box) return;
    const at = show * height;
    if (at < box.scrollTop) box.scrollTop = at - height;
    else if (at + 3 * height > box.scrollTop + box.clientHeight) {
      box.scrollTop = at + 3 * height - box.clientHeight;
    }
  }

  private scrolled = (): void => {
    const box = this.box.current!;
    this.atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
    // The rows change only when another one comes into sight.
    const step = this.props.height;
    const top = Math.floor(box.scrollTop / step) * step;
    if (top !== this.state.top) this.setState({ top });
  };

  override render({ count, height, row, label, role, header, end, ...rest }: Props): JSX.Element {
    const { top, size } = this.state;
    const first = Math.max(0, Math.floor(top / height) - OVERSCAN);
    const last = Math.min(count, Math.ceil((top + size) / height) + OVERSCAN);
    if (end && last >= count - 20) queueMicrotask(end);
    const rows: ComponentChildren[] = [];
    for (let at = first; at < last; at += 1) {
      rows.push(
        <div key={at} class="vrow" style={{ transform: `translateY(${at * height}px)`, height: `${height}px` }}>
          {row(at)}
        </div>,
      );
    }
    return (
      <div class={`vlist ${rest.class ?? ""}`} ref={this.box} onScroll={this.scrolled} tabIndex={0}
        role={role ?? "group"} aria-label={label}>
        {header}
        <div class="vspace" style={{ height: `${count * height}px` }}>{rows}</div>
      </div>
    );
  }
}
