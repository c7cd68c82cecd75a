// Planes as pixels.

import {DOWN, RIGHT} from "./frame.js";

export const LINES = {x: "#e5534b", y: "#57ab5a", z: "#539bf5"};
const NOTHING = [78, 44, 104]; // the colour of NaN

// What a plane holds: any finite number, any NaN.
export function survey(voxels) {
  if (!(voxels instanceof Float32Array || voxels instanceof Float64Array)) return {finite: true, nan: false};
  let finite = false, nan = false;
  for (let i = 0; i < voxels.length && !(finite && nan); i++) {
    if (Number.isFinite(voxels[i])) finite = true;
    else if (Number.isNaN(voxels[i])) nan = true;
  }
  return {finite, nan};
}

// Finite voxels of all planes, some 20000 of each; all of a plane with fewer.
export function* samples(planes) {
  for (const {voxels, finite} of planes) {
    if (!finite) continue;
    let every = Math.max(1, Math.floor(voxels.length / 20000)), found = 0;
    for (let i = 0; i < voxels.length; i += every) {
      const value = Number(voxels[i]);
      if (Number.isFinite(value)) { found++; yield value; }
    }
    for (let i = 0; i < voxels.length && !found; i++) {
      const value = Number(voxels[i]);
      if (Number.isFinite(value)) yield value;
    }
  }
}

// From the darkest to nearly the brightest voxel of the planes; one bright spot does not darken the rest.
export function automatic(planes, volume) {
  const values = Float64Array.from(samples(planes)).sort();
  if (!values.length) return null;
  const last = values.length - 1, colours = volume.channels > 1;
  const low = colours ? 0 : values[0];
  const high = colours ? 255 : values[Math.floor(last * 0.995)];
  const above = high > low ? high : Math.max(values[last], low + (Math.abs(low) * 1e-6 || 1));
  return {low, high: above, least: values[0], most: Math.max(values[last], above)};
}

// The colour of a label by a hash of its lower and its upper 32 bits; colours.py computes the same.
export function colour(low, high) {
  if (low === 0 && high === 0) return [0, 0, 0];
  let hash = low ^ Math.imul(high, 0x9E3779B1);
  for (const [shift, factor] of [[16, 0x85EBCA6B], [13, 0xC2B2AE35], [16, 1]]) {
    hash = Math.imul(hash ^ hash >>> shift, factor);
  }
  const hue = (hash & 0xFFFF) / 65536 * 6, saturation = 0.5 + (hash >>> 16 & 0xFF) / 510, value = 0.6 + (hash >>> 24) / 637.5;
  return [5, 3, 1].map((shift) => {
    const place = (shift + hue) % 6;
    return Math.floor(value * (1 - saturation * Math.max(0, Math.min(place, 4 - place, 1))) * 255 + 0.5);
  });
}

// The colours of labels; neighbours mostly have the same one.
function colours(voxels) {
  const words = voxels instanceof BigUint64Array || voxels instanceof BigInt64Array
    ? new Uint32Array(voxels.buffer, voxels.byteOffset, 2 * voxels.length) : null;
  let last = [0, 0], found = colour(0, 0);
  return (at) => {
    const [low, high] = words ? [words[2 * at], words[2 * at + 1]] : [voxels[at], voxels[at] < 0 ? -1 : 0];
    if (low !== last[0] || high !== last[1]) {
      last = [low, high];
      found = colour(low, high);
    }
    return found;
  };
}

// A plane as a picture with one pixel for each voxel; `contrast` is null if there is no finite voxel yet.
export function picture(axis, plane, {channels, labels}, contrast) {
  const of = labels ? colours(plane.voxels) : null;
  const turned = axis === "x"; // comes with y to the right and z downwards
  const width = turned ? plane.height : plane.width, height = turned ? plane.width : plane.height;
  const image = new ImageData(width, height);
  const {low, high} = contrast || {low: 0, high: 1};
  const factor = 255 / (high - low);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = (turned ? column * plane.width + row : row * width + column) * channels;
      const to = (row * width + column) * 4;
      if (of) image.data.set(of(from), to);
      for (let k = 0; k < 3 && !of; k++) {
        const value = Number(plane.voxels[from + (channels > 2 ? k : 0)]);
        image.data[to + k] = Number.isNaN(value) ? NOTHING[k] : (value - low) * factor; // the array clamps
      }
      image.data[to + 3] = 255;
    }
  }
  const drawn = Object.assign(document.createElement("canvas"), {width, height});
  drawn.getContext("2d").putImageData(image, 0, 0);
  return drawn;
}

// Draw the shown part of a plane, `scale` pixels for each unit of length at zoom 1.
export function show(canvas, axis, plane, frame, scale) {
  const [right, down] = [RIGHT[axis], DOWN[axis]];
  const [width, height] = [right, down].map((along) => Math.max(1, frame.size(along) * frame.resolution(along) * scale));
  const sharp = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * sharp));
  canvas.height = Math.max(1, Math.round(height * sharp));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  crosshair(canvas, axis, frame);
  if (!plane || !plane.drawn) return;
  const pen = canvas.getContext("2d");
  const [left, top] = axis === "x" ? [plane.from[1], plane.from[0]] : plane.from;
  const place = (along, coordinate, length) => Math.round(frame.share(along, coordinate) * length);
  const x = place(right, left, canvas.width), y = place(down, top, canvas.height);
  const farX = place(right, left + plane.drawn.width * plane.step, canvas.width);
  const farY = place(down, top + plane.drawn.height * plane.step, canvas.height);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(plane.drawn, x, y, farX - x, farY - y);
}

function crosshair(canvas, axis, frame) {
  const figure = canvas.parentElement;
  figure.querySelectorAll(".line").forEach((line) => line.remove());
  for (const [along, side, length] of [[RIGHT[axis], "left", "width"], [DOWN[axis], "top", "height"]]) {
    const share = frame.share(along, frame.at[along] + 0.5);
    if (share < 0 || share > 1) continue;
    const line = document.createElement("div");
    line.className = "line";
    Object.assign(line.style, {background: LINES[along], [side]: `${100 * share}%`, [length]: "1px"});
    line.style[side === "left" ? "top" : "left"] = "0";
    line.style[length === "width" ? "height" : "width"] = "100%";
    figure.append(line);
  }
}

export function short(value) {
  const fits = value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e7);
  return fits ? String(Number(value.toPrecision(7))).slice(0, 9) : value.toExponential(2);
}

export function isOutside(plane, axis, frame) {
  const [right, down] = axis === "x" ? [DOWN[axis], RIGHT[axis]] : [RIGHT[axis], DOWN[axis]];
  const covers = (along, start, count) => {
    const [low, high] = frame.part(along);
    return start <= low && start + count * plane.step >= high;
  };
  return !(covers(right, plane.from[0], plane.width) && covers(down, plane.from[1], plane.height));
}

