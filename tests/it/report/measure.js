// Measures the page that it stands in, and writes what it finds into the page around it.
"use strict";

// The parts of a colour, from 0 to 255, and how much it hides.
function parts(colour) {
  const numbers = colour.match(/[\d.]+/g).map(Number);
  return { rgb: numbers.slice(0, 3), alpha: numbers.length > 3 ? numbers[3] : 1 };
}

// WCAG 2.2, relative luminance.
function luminance(rgb) {
  const [r, g, b] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// What an element stands on: the nearest background that hides what is below.
function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const { rgb, alpha } = parts(getComputedStyle(at).backgroundColor);
    if (alpha === 1) return rgb;
  }
  return [255, 255, 255];
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function visible(element) {
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.height > 0;
}

// Elements with words of their own that are shown.
const words = [...document.querySelectorAll("body *")].filter(
  (element) =>
    !["SCRIPT", "STYLE", "title", "desc"].includes(element.tagName) &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) &&
    visible(element),
);
let weakest = { contrast: Infinity, text: "" };
let smallest = Infinity;
for (const element of words) {
  const style = getComputedStyle(element);
  const drawn = element.ownerSVGElement;
  const colour = parts(drawn ? style.fill : style.color).rgb;
  const found = contrast(colour, ground(drawn ?? element));
  if (found < weakest.contrast) weakest = { contrast: found, text: element.textContent };
  // What is drawn is as large as its drawing makes it.
  const scale = drawn ? drawn.getBoundingClientRect().width / drawn.viewBox.baseVal.width : 1;
  smallest = Math.min(smallest, parseFloat(style.fontSize) * scale);
}

const charts = [...document.querySelectorAll("svg")].filter(visible).map((svg) => {
  const box = svg.getBoundingClientRect();
  const shapes = [...svg.querySelectorAll("circle, rect, path")].filter(visible);
  const cut = [...svg.querySelectorAll("text, circle, rect, path")].filter((part) => {
    const { left, top, right, bottom } = part.getBoundingClientRect();
    return left < box.left - 1 || top < box.top - 1 || right > box.right + 1 || bottom > box.bottom + 1;
  });
  return {
    title: svg.querySelector("title").textContent,
    text: svg.querySelector("desc").textContent,
    width: box.width,
    height: box.height,
    shapes: shapes.length,
    cut: cut.map((part) => part.textContent || part.outerHTML),
  };
});

const beside = [...document.querySelectorAll("table")].filter((table) => {
  const figure = table.parentElement.querySelector("figure");
  return table.getBoundingClientRect().left >= figure.getBoundingClientRect().right;
});

const background = getComputedStyle(document.body).backgroundColor;
const measured = parent.document.createElement("pre");
measured.id = "measured";
measured.hidden = true;
measured.textContent = JSON.stringify({
  width: innerWidth,
  sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  resources: performance.getEntriesByType("resource").length,
  tables: [...document.querySelectorAll("table")].filter((table) => table.rows.length > 2).length,
  beside: beside.length,
  contrast: weakest.contrast,
  weakest: weakest.text,
  smallest_text: smallest,
  background,
  brightness: luminance(parts(background).rgb),
  charts,
});
parent.document.body.append(measured);
console.log("measured");
