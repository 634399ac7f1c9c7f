// How names and times are written.

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const relativeFormat = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** The time of day of `seconds` since 1970. */
export const clock = (seconds) => clockFormat.format(seconds * 1000);

/** The day of `seconds` since 1970: today, yesterday, or its date. */
export function day(seconds) {
  const date = new Date(seconds * 1000);
  const daysAgo = Math.round((startOfDay(new Date()) - startOfDay(date)) / 86_400_000);
  const text = daysAgo < 2 ? relativeFormat.format(-daysAgo, "day") : dayFormat.format(date);
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

export const isSameDay = (one, other) => startOfDay(new Date(one * 1000)) === startOfDay(new Date(other * 1000));

const startOfDay = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** One or two letters for an avatar. */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)].map((word) => [...word][0]) : [...name].slice(0, 2);
  return letters.join("").toLocaleUpperCase();
}

/** An angle on the colour wheel, the same one for the same name everywhere. */
export function hue(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 3600;
  return (hash * 137.5) % 360;
}

/** "Ada is typing", "Ada and Ben are typing", ... */
export function whoIsTyping(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing`;
  return "Several people are typing";
}

/** Dress `element` as the avatar of `name`. */
export function showAvatar(element, name) {
  element.textContent = initials(name);
  element.style.setProperty("--hue", hue(name));
}
