// A few lines instead of a framework. Text is always text: nothing here parses
// HTML, and the page's policy forbids it.

// el makes an element: properties, attributes (with a hyphen, or role), children.
export function el(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  set(e, properties);
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

export function svg(tag, attributes = {}, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

// set changes only what differs, so that an update disturbs neither a selection
// nor a screen reader.
export function set(e, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") {
      if (e.className !== value) e.className = value;
    } else if (name.includes("-") || name === "role" || name === "tabindex") {
      if (value === null || value === false) e.removeAttribute(name);
      else if (e.getAttribute(name) !== String(value)) e.setAttribute(name, value);
    } else if (e[name] !== value) e[name] = value;
  }
}

// text sets the text of an element, if it is another.
export function text(e, value) {
  if (e.textContent !== value) e.textContent = value;
}

// keyed makes the children of a parent one for each item, in their order. Those
// with the same key stay the same elements: focus and transitions survive.
export function keyed(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((c) => [c.dataset.key, c]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    let e = old.get(k);
    if (e) old.delete(k);
    else {
      e = make(item);
      e.dataset.key = k;
    }
    if (e === at) at = at.nextElementSibling;
    else parent.insertBefore(e, at);
    update(e, item);
  }
  for (const gone of old.values()) gone.remove();
}
