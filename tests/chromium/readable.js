// What is wrong with a page on a small screen, in words; nothing where it can be read and used.
// Sources: WCAG 2.2, 1.3.1, 1.4.3, 1.4.10, 2.4.2, 2.5.5, 3.1.1, 3.3.2.
const wrong = [];
const complain = (element, what) => wrong.push(`${element.localName}: ${what}`);
const style = (element) => getComputedStyle(element);
const box = (element) => element.getBoundingClientRect();
const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);

const root = document.documentElement;
if (!root.lang) complain(root, 'no language');
if (!document.title.trim()) complain(root, 'no title');
if (innerWidth > screen.width || root.scrollWidth > innerWidth) complain(root, 'wider than the screen');
if (all('h1').length !== 1) complain(root, 'not one first heading');

for (const field of all('input, select, textarea')) {
  const labels = [...field.labels].filter((label) => shown(label) && label.innerText.trim());
  if (!labels.length) complain(field, 'no label');
  const ticked = field.type === 'checkbox';
  if (!ticked && parseFloat(style(field).fontSize) < 16) complain(field, 'makes a phone zoom');
  if (box(ticked && labels.length ? labels[0] : field).height < 40) complain(field, 'too low for a finger');
}
for (const button of all('button, a[href]')) {
  if (!button.innerText.trim()) complain(button, 'no words');
  if (box(button).height < 40) complain(button, 'too low for a finger');
}

// Relative luminance and contrast, as WCAG 2.2 defines them.
const channels = (color) => color.match(/[\d.]+/g).map(Number);
const linear = (byte) => (byte <= 10 ? byte / 3294 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const [r, g, b, alpha = 1] = channels(style(at).backgroundColor);
    if (alpha > 0) return [r, g, b];
  }
  return [255, 255, 255];
};
const opacity = (element) => {
  let share = channels(style(element).color)[3] ?? 1;
  for (let at = element; at; at = at.parentElement) share *= parseFloat(style(at).opacity);
  return share;
};
const letters = (element) => {
  const [share, behind] = [opacity(element), ground(element)];
  return channels(style(element).color).slice(0, 3).map((one, at) => share * one + (1 - share) * behind[at]);
};
const contrast = (element) => {
  const light = [luminance(letters(element)), luminance(ground(element))];
  return (Math.max(...light) + 0.05) / (Math.min(...light) + 0.05);
};

const says = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
const written = all('body *').filter((element) => [...element.childNodes].some(says));
for (const element of written) {
  const { left, top, width, height } = box(element);
  if (left < 0 || top < 0 || !width || !height) complain(element, 'out of sight');
  if (parseFloat(style(element).fontSize) < 12) complain(element, 'too small to read');
  if (contrast(element) < 4.5) complain(element, 'too pale to read');
}
return wrong;
