// Who reads the end of the messages keeps reading it; who reads further up is left there.

const NEAR = 80; // pixels

export class Scroller {
  /** `element` scrolls; `button` leads back to the end. */
  constructor(element, button) {
    this.element = element;
    this.button = button;
    this.isAtEnd = true;
    this.observer = new ResizeObserver(() => this.isAtEnd && this.toEnd());
    this.observer.observe(element);
    element.addEventListener("scroll", () => this.#moved(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
  }

  /** Show `content` instead of what was there: at `mark`, or else at its end. */
  show(content, mark) {
    const [old] = this.element.children;
    if (old) this.observer.unobserve(old);
    this.element.replaceChildren(content);
    this.observer.observe(content);
    if (mark === null) this.toEnd();
    else mark.scrollIntoView({ block: "center" });
    this.#moved();
  }

  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
    this.#moved();
  }

  #moved() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    this.isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    this.button.hidden = this.isAtEnd;
  }
}
