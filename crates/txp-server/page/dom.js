// Elements without markup in strings: what users sent is text, always.

const SVG = 'http://www.w3.org/2000/svg';

/** An element; `on*` are listeners, `class` and others attributes, children text or elements. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces all that is in an element. */
export function put(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return parent;
}

/** Sets a text only where it changes, so that a screen reader is not told again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Keeps one child per item, in order, and lets those that stay be: focus and what is folded out
 * survive. `update` gets the child and the item.
 */
export function keyed(parent, items, keyOf, create, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = known.get(key);
    if (child) {
      known.delete(key);
    } else {
      child = create(item);
      child.dataset.key = key;
    }
    update?.(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of known.values()) gone.remove();
}

let nextId = 0;

/** An id for a label and what it labels. */
export function freshId(prefix) {
  nextId += 1;
  return `${prefix}-${nextId}`;
}
