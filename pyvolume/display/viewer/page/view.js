"use strict";
// Three planes of one volume. Each canvas has the name of the axis that stands on its plane.

const AXES = ["x", "y", "z"];
const RIGHT = {x: "z", y: "x", z: "x"};
const DOWN = {x: "y", y: "z", z: "y"};
const LINES = {x: "#e5534b", y: "#57ab5a", z: "#539bf5"};
const ARRAYS = {uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
                int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
                float32: Float32Array, float64: Float64Array};
const byId = (id) => document.getElementById(id);

let volume;
const at = {};
const planes = {};
const waiting = {};
let contrast = null;
let pointer = null;

async function ask(path, query) {
  const answer = await fetch(path + "?" + new URLSearchParams(query));
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

function tell(error) { byId("status").textContent = error ? String(error.message || error) : ""; }

async function open(version) {
  volume = await (await ask("volume", {version})).json();
  const url = volume.address;
  byId("name").textContent = document.title = decodeURIComponent(url.slice(url.lastIndexOf("/") + 1));
  byId("facts").textContent = [
    url,
    `${size().join(" × ")} voxels of ${volume.dtype}` + (volume.channels > 1 ? ` × ${volume.channels}` : ""),
    `${volume.resolution.join(" × ")} ${volume.units[0]}`,
  ].join("\n");
  AXES.forEach((axis, i) => {
    const middle = Math.floor((volume.start[i] + volume.stop[i]) / 2);
    const inside = at[axis] >= volume.start[i] && at[axis] < volume.stop[i];
    at[axis] = inside ? at[axis] : middle;
  });
  fillVersions();
  makeSliders();
  await Promise.all(AXES.map(load));
  if (!contrast) automatic();
  draw();
  await showValue({...at});
}

function size() { return volume.stop.map((stop, i) => stop - volume.start[i]); }
function start(axis) { return volume.start[AXES.indexOf(axis)]; }
function stop(axis) { return volume.stop[AXES.indexOf(axis)]; }
function resolution(axis) { return volume.resolution[AXES.indexOf(axis)]; }

function fillVersions() {
  const select = byId("version");
  select.replaceChildren(...Object.entries(volume.versions).map(([uuid, label]) => new Option(label, uuid)));
  select.value = volume.version;
  select.parentElement.hidden = !select.options.length;
}

function makeSliders() {
  byId("sliders").replaceChildren(...AXES.map((axis) => {
    const row = document.createElement("div");
    row.className = "row";
    const name = document.createElement("span");
    name.textContent = axis;
    name.style.color = LINES[axis];
    const slider = document.createElement("input");
    Object.assign(slider, {type: "range", id: "at-" + axis, min: start(axis), max: stop(axis) - 1, value: at[axis]});
    slider.setAttribute("aria-label", axis);
    slider.addEventListener("input", () => move({[axis]: Number(slider.value)}));
    row.append(name, slider, document.createElement("output"));
    return row;
  }));
}

// The newest wish wins: a plane is asked for when the one before it has come.
async function load(axis) {
  if (waiting[axis]) { waiting[axis] = "again"; return; }
  waiting[axis] = "once";
  try {
    const wish = {version: volume.version, axis, at: at[axis], most: 1024};
    const answer = await ask("plane", wish);
    const header = (name) => Number(answer.headers.get(name));
    const voxels = new ARRAYS[volume.dtype](await answer.arrayBuffer());
    planes[axis] = {voxels, width: header("X-Width"), height: header("X-Height"), step: header("X-Step"), ...wish};
    tell();
  } catch (error) {
    tell(error);
  }
  const again = waiting[axis] === "again";
  waiting[axis] = undefined;
  if (again) await load(axis);
}

async function move(wish) {
  Object.assign(at, wish);
  draw();
  await Promise.all(Object.keys(wish).map(load));
  draw();
}

function* samples() {
  for (const axis of AXES) {
    const plane = planes[axis];
    if (!plane) continue;
    const every = Math.max(1, Math.floor(plane.voxels.length / 20000));
    for (let i = 0; i < plane.voxels.length; i += every) {
      const value = Number(plane.voxels[i]);
      if (Number.isFinite(value)) yield value;
    }
  }
}

// From the darkest to nearly the brightest voxel of the planes; one bright spot does not darken the rest.
function automatic() {
  const values = Float64Array.from(samples()).sort();
  if (!values.length) return;
  const last = values.length - 1;
  const low = volume.channels > 1 ? 0 : values[0];
  const high = volume.channels > 1 ? 255 : values[Math.floor(last * 0.995)];
  contrast = {low, high: high > low ? high : Math.max(values[last], low + 1)};
  const step = volume.dtype.startsWith("float") ? (values[last] - values[0]) / 1000 || 0.001 : 1;
  for (const id of ["low", "high"]) {
    Object.assign(byId(id), {min: values[0], max: Math.max(values[last], contrast.high), step});
    byId(id).value = contrast[id];
  }
}

function draw() {
  const scale = displayScale();
  AXES.forEach((axis) => {
    byId("at-" + axis).value = at[axis];
    byId("at-" + axis).nextElementSibling.textContent = at[axis];
    drawPlane(axis, scale);
  });
  if (!contrast) return;
  for (const id of ["low", "high"]) byId(id + "Value").textContent = short(contrast[id]);
}

function short(value) {
  const fits = value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e7);
  return fits ? String(Number(value.toPrecision(7))).slice(0, 9) : value.toExponential(2);
}

function displayScale() {
  const [x, y, z] = size().map((n, i) => n * volume.resolution[i]);
  const width = Math.max(200, window.innerWidth - 350), height = Math.max(200, window.innerHeight - 80);
  return Math.min(width / (x + z), height / (y + z));
}

function drawPlane(axis, scale) {
  const plane = planes[axis], canvas = byId(axis);
  const [right, down] = [RIGHT[axis], DOWN[axis]];
  if (!plane || !contrast) return;
  const turned = axis === "x"; // comes with y to the right and z downwards
  const width = turned ? plane.height : plane.width, height = turned ? plane.width : plane.height;
  const image = new ImageData(width, height);
  const factor = 255 / (contrast.high - contrast.low);
  const shade = (value) => (Number(value) - contrast.low) * factor; // the array clamps
  const n = volume.channels;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = (turned ? column * plane.width + row : row * width + column) * n;
      const to = (row * width + column) * 4;
      for (let k = 0; k < 3; k++) image.data[to + k] = shade(plane.voxels[from + (n > 2 ? k : 0)]);
      image.data[to + 3] = 255;
    }
  }
  canvas.width = width;
  canvas.height = height;
  const shownWidth = (stop(right) - start(right)) * resolution(right) * scale;
  const shownHeight = (stop(down) - start(down)) * resolution(down) * scale;
  canvas.style.width = `${Math.max(1, shownWidth)}px`;
  canvas.style.height = `${Math.max(1, shownHeight)}px`;
  canvas.getContext("2d").putImageData(image, 0, 0);
  crosshair(canvas, axis);
  canvas.nextElementSibling.textContent = `${right}${down} at ${axis} = ${at[axis]}`;
}

function crosshair(canvas, axis) {
  const figure = canvas.parentElement;
  figure.querySelectorAll(".line").forEach((line) => line.remove());
  for (const [along, side, length] of [[RIGHT[axis], "left", "width"], [DOWN[axis], "top", "height"]]) {
    const line = document.createElement("div");
    line.className = "line";
    const share = (at[along] + 0.5 - start(along)) / (stop(along) - start(along));
    Object.assign(line.style, {position: "absolute", pointerEvents: "none", background: LINES[along], opacity: 0.55});
    line.style[side] = `${100 * share}%`;
    line.style[length] = "1px";
    line.style[side === "left" ? "top" : "left"] = "0";
    line.style[length === "width" ? "height" : "width"] = "100%";
    figure.append(line);
  }
}

function under(event, axis) {
  const box = event.target.getBoundingClientRect();
  const pick = (along, share) => {
    const there = start(along) + Math.floor(share * (stop(along) - start(along)));
    return Math.min(Math.max(there, start(along)), stop(along) - 1);
  };
  return {
    ...at,
    [RIGHT[axis]]: pick(RIGHT[axis], (event.clientX - box.left) / box.width),
    [DOWN[axis]]: pick(DOWN[axis], (event.clientY - box.top) / box.height),
  };
}

async function showValue(place) {
  const key = JSON.stringify([volume.version, place]);
  if (pointer === key) return;
  pointer = key;
  const where = `(${AXES.map((axis) => place[axis]).join(", ")})`;
  try {
    const values = await (await ask("voxel", {version: volume.version, ...place})).json();
    if (pointer === key) byId("value").textContent = `${where}: ${values.join(", ")}`;
  } catch (error) {
    tell(error);
  }
}

for (const axis of AXES) {
  const canvas = byId(axis);
  let due;
  canvas.addEventListener("pointermove", (event) => {
    const place = under(event, axis);
    clearTimeout(due);
    due = setTimeout(() => showValue(place), 40);
    if (event.buttons === 1) move(only(place, axis));
  });
  canvas.addEventListener("pointerdown", (event) => move(only(under(event, axis), axis)));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const next = at[axis] + Math.sign(event.deltaY);
    if (next >= start(axis) && next < stop(axis)) move({[axis]: next});
  }, {passive: false});
}

function only(place, axis) { return {[RIGHT[axis]]: place[RIGHT[axis]], [DOWN[axis]]: place[DOWN[axis]]}; }

for (const id of ["low", "high"]) {
  byId(id).addEventListener("input", () => {
    contrast[id] = Number(byId(id).value);
    draw();
  });
}
byId("auto").addEventListener("click", () => { automatic(); draw(); });
byId("version").addEventListener("change", () => open(byId("version").value).catch(tell));
window.addEventListener("resize", draw);
open(new URLSearchParams(location.search).get("version") || "").then(() => { document.body.dataset.ready = "yes"; }, tell);
