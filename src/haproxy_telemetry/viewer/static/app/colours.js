// A colour for each service, the same on all pages of a visit: the stylesheet has them as classes c0 to c11.

const COLOURS = 12;
const known = new Map();

/** The class of a service; the first twelve all differ. */
export function colourOf(service) {
  if (!known.has(service)) known.set(service, known.size % COLOURS);
  return `c${known.get(service)}`;
}

/** Give services their colours in this order, before they are met in another. */
export function meetServices(services) {
  for (const service of services) colourOf(service);
}
