// Three planes of one volume. Each canvas has the name of the axis that stands on its plane.

import {AXES, DOWN, Frame, RIGHT} from "./frame.js";
import {LINES, automatic, isOutside, picture, short, show, survey} from "./paint.js";

const ARRAYS = {uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
                int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
                float32: Float32Array, float64: Float64Array};
const MOST = 1024; // voxels along a side of a plane
const MARGIN = 0.25; // of the shown part, on each side
const STEP = 1.25;
const byId = (id) => document.getElementById(id);

let volume;
let frame;
let contrast = null;
let pointer = null;
let settled;
let hasEnded = false;
const at = {};
const planes = {};
const waiting = {};

async function ask(path, query) {
  const answer = await fetch(path + "?" + new URLSearchParams(query));
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

function tell(error) {
  const said = hasEnded ? "the viewer has ended" : error ? String(error.message || error) : "";
  byId("status").textContent = said;
}

async function open(version, scale) {
  volume = await (await ask("volume", {version, scale})).json();
  byId("name").textContent = document.title = volume.name;
  const before = frame;
  frame = new Frame(volume, at);
  if (before) AXES.forEach((axis) => { at[axis] = Math.floor(frame.same(before, axis, at[axis] + 0.5)); });
  AXES.forEach((axis) => {
    const inside = at[axis] >= frame.start(axis) && at[axis] < frame.stop(axis);
    at[axis] = inside ? at[axis] : Math.floor((frame.start(axis) + frame.stop(axis)) / 2);
  });
  if (before) {
    frame.zoom = before.zoom;
    AXES.forEach((axis) => { frame.low[axis] = frame.same(before, axis, before.low[axis]); });
    frame.clamp();
  }
  byId("facts").textContent = [
    volume.address,
    `${AXES.map((axis) => frame.size(axis)).join(" × ")} voxels of ${volume.dtype}`
      + (volume.channels > 1 ? ` × ${volume.channels}` : ""),
    `${volume.resolution.join(" × ")} ${volume.units[0]}`,
  ].join("\n");
  fillVersions();
  fillScales();
  byId("contrast").hidden = volume.labels;
  makeSliders();
  await loadAll(AXES);
  await showValue({...at});
}

// The server of the command ends with its last page; it learns of this one by a connection that lasts as long.
function stayOpen() {
  const socket = new WebSocket(new URL("open", location.href.replace(/^http/, "ws")));
  socket.addEventListener("close", () => { hasEnded = true; tell(); });
}

function fillVersions() {
  const select = byId("version");
  select.replaceChildren(...Object.entries(volume.versions).map(([uuid, label]) => new Option(label, uuid)));
  select.value = volume.version;
  select.parentElement.hidden = !select.options.length;
}

function fillScales() {
  const select = byId("scale");
  const label = (factors, number) => `${number}: 1 / ${factors.join(", ")}`;
  select.replaceChildren(...volume.scales.map((factors, number) => new Option(label(factors, number), number)));
  select.value = volume.scale;
  select.parentElement.hidden = volume.scales.length < 2;
}

function makeSliders() {
  byId("sliders").replaceChildren(...AXES.map((axis) => {
    const row = document.createElement("div");
    row.className = "row";
    const name = document.createElement("span");
    name.textContent = axis;
    name.style.color = LINES[axis];
    const slider = document.createElement("input");
    const [min, max] = [frame.start(axis), frame.stop(axis) - 1];
    Object.assign(slider, {type: "range", id: "at-" + axis, min, max, value: at[axis]});
    slider.setAttribute("aria-label", axis);
    slider.addEventListener("input", () => move({[axis]: Number(slider.value)}));
    row.append(name, slider, document.createElement("output"));
    return row;
  }));
}

// The part to ask for: the whole plane if it is small or wholly shown, else what is shown and a margin.
function part(axis) {
  const sides = AXES.filter((along) => along !== axis);
  if (frame.zoom === 1 || sides.every((along) => frame.size(along) <= MOST)) return {};
  return Object.fromEntries(sides.map((along) => {
    const [low, high] = frame.part(along), margin = Math.ceil((high - low) * MARGIN);
    return [along, `${Math.max(low - margin, frame.start(along))}:${Math.min(high + margin, frame.stop(along))}`];
  }));
}

function wishFor(axis) { return {...shown(), axis, at: at[axis], most: MOST, ...part(axis)}; }

function shown() { return {version: volume.version, scale: volume.scale}; }

// A plane of a very large volume comes with fewer voxels than were asked for; the same question gives no more.
function isTooCoarse(axis) {
  if (planes[axis].wish === JSON.stringify(wishFor(axis))) return false;
  const shown = AXES.filter((along) => along !== axis).map((along) => frame.part(along)[1] - frame.part(along)[0]);
  return planes[axis].step > Math.ceil(Math.max(...shown) * (1 + 2 * MARGIN) / MOST);
}

// The newest wish wins: a plane is asked for when the one before it has come.
async function load(axis) {
  if (waiting[axis]) { waiting[axis] = "again"; return; }
  waiting[axis] = "once";
  try {
    const wish = wishFor(axis);
    const answer = await ask("plane", wish);
    const header = (name) => Number(answer.headers.get(name));
    const body = await answer.arrayBuffer();
    if (wish.version !== volume.version || wish.scale !== volume.scale) throw null; // the planes of another one follow
    const voxels = new ARRAYS[volume.dtype](body);
    const from = answer.headers.get("X-Start").split(",").map(Number);
    planes[axis] = {voxels, width: header("X-Width"), height: header("X-Height"), step: header("X-Step"), from,
                    wish: JSON.stringify(wish), ...survey(voxels)};
    paint(axis);
    tell();
  } catch (error) {
    tell(error);
  }
  const again = waiting[axis] === "again";
  waiting[axis] = undefined;
  if (again) await load(axis);
}

async function loadAll(axes) {
  await Promise.all(axes.map(load));
  if (!contrast) adjust();
  draw();
}

async function move(wish) {
  Object.assign(at, wish);
  draw();
  await loadAll(Object.keys(wish));
}

function moveAlong(axis, by) {
  const next = Math.min(Math.max(at[axis] + by, frame.start(axis)), frame.stop(axis) - 1);
  if (next !== at[axis]) move({[axis]: next});
}

// Show another part; what is missing or too coarse is asked for when the user has stopped.
function look(change) {
  change();
  draw();
  clearTimeout(settled);
  settled = setTimeout(() => {
    loadAll(AXES.filter((axis) => planes[axis] && (isTooCoarse(axis) || isOutside(planes[axis], axis, frame))));
  }, 150);
}

// Automatic contrast; without a finite voxel there is none yet, and the next plane is tried.
function adjust() {
  const found = automatic(Object.values(planes), volume);
  if (!found) return;
  contrast = {low: found.low, high: found.high};
  const step = volume.dtype.startsWith("float") ? (found.most - found.least) / 1000 || 0.001 : 1;
  for (const id of ["low", "high"]) {
    Object.assign(byId(id), {min: found.least, max: found.most, step, disabled: false});
    byId(id).value = contrast[id];
  }
  AXES.forEach(paint);
}

function paint(axis) {
  if (planes[axis]) planes[axis].drawn = picture(axis, planes[axis], volume, contrast);
}

function draw() {
  const scale = displayScale();
  AXES.forEach((axis) => {
    byId("at-" + axis).value = at[axis];
    byId("at-" + axis).nextElementSibling.textContent = at[axis];
    const canvas = byId(axis), plane = planes[axis];
    show(canvas, axis, plane, frame, scale);
    const thinned = plane && plane.step > 1 ? `, 1 voxel of ${plane.step}` : "";
    const name = `${RIGHT[axis]}${DOWN[axis]} at ${axis} = ${at[axis]}${thinned}`;
    canvas.parentElement.querySelector("figcaption").textContent = name;
    canvas.setAttribute("aria-label", `plane ${name}`);
    canvas.parentElement.querySelector(".notice").textContent = plane && !plane.finite ? nothing(plane) : "";
  });
  byId("zoom").textContent = `${short(Number(frame.zoom.toPrecision(3)))} ×`;
  document.body.classList.toggle("zoomed", frame.zoom > 1);
  byId("legend").hidden = !AXES.some((axis) => planes[axis]?.nan);
  for (const id of ["low", "high"]) byId(id + "Value").textContent = contrast ? short(contrast[id]) : "–";
}

function nothing(plane) { return plane.nan ? "only NaN in this plane" : "no finite voxel in this plane"; }

function displayScale() {
  const [x, y, z] = AXES.map((axis) => frame.size(axis) * frame.resolution(axis));
  const narrow = window.matchMedia("(max-width: 720px)").matches;
  const width = Math.max(160, window.innerWidth - (narrow ? 30 : 350));
  const height = Math.max(160, (window.innerHeight - 80) * (narrow ? 0.8 : 1));
  return Math.min(width / (x + z), height / (y + z));
}

function shares(event) {
  const box = event.currentTarget.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

function under(event, axis) {
  const [right, down] = shares(event);
  return {[RIGHT[axis]]: frame.voxel(RIGHT[axis], right), [DOWN[axis]]: frame.voxel(DOWN[axis], down)};
}

async function showValue(place) {
  const key = JSON.stringify([shown(), place]);
  if (pointer === key) return;
  pointer = key;
  const where = `(${AXES.map((axis) => place[axis]).join(", ")})`;
  try {
    const values = await (await ask("voxel", {...shown(), ...place})).json();
    if (pointer === key) byId("value").textContent = `${where}: ${values.join(", ")}`;
  } catch (error) {
    tell(error);
  }
}

function zoomAt(axis, event, factor) {
  const [right, down] = shares(event);
  look(() => frame.zoomBy(factor, {[RIGHT[axis]]: right, [DOWN[axis]]: down}));
}

function reset() { look(() => frame.reset()); }

for (const axis of AXES) {
  const canvas = byId(axis);
  let due, held = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !frame) return;
    canvas.setPointerCapture(event.pointerId);
    held = {x: event.clientX, y: event.clientY, moved: false};
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!frame) return;
    if (held) {
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      if (!held.moved && Math.hypot(dx, dy) < 4) return;
      held = {x: event.clientX, y: event.clientY, moved: true};
      look(() => frame.pan({[RIGHT[axis]]: -dx / canvas.clientWidth, [DOWN[axis]]: -dy / canvas.clientHeight}));
      return;
    }
    const place = {...at, ...under(event, axis)};
    clearTimeout(due);
    due = setTimeout(() => showValue(place), 40);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (held && !held.moved) {
      const place = under(event, axis);
      move(place);
      showValue({...at, ...place});
    }
    held = null;
  });
  canvas.addEventListener("pointercancel", () => { held = null; });
  canvas.addEventListener("dblclick", () => { if (frame) reset(); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (!frame) return;
    const turned = event.deltaY || event.deltaX; // Shift makes it deltaX
    if (event.shiftKey) moveAlong(axis, Math.sign(turned));
    else zoomAt(axis, event, Math.exp(-turned * [0.002, 0.05, 1][event.deltaMode]));
  }, {passive: false});
}

// Keys act on the plane that has the focus, else on xy.
window.addEventListener("keydown", (event) => {
  if (!frame || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
  const axis = AXES.includes(event.target.id) ? event.target.id : "z";
  const [right, down] = [RIGHT[axis], DOWN[axis]];
  const acts = {
    "+": () => look(() => frame.zoomBy(STEP)),
    "=": () => look(() => frame.zoomBy(STEP)),
    "-": () => look(() => frame.zoomBy(1 / STEP)),
    "0": reset,
    "Home": reset,
    "ArrowLeft": () => look(() => frame.pan({[right]: -0.1})),
    "ArrowRight": () => look(() => frame.pan({[right]: 0.1})),
    "ArrowUp": () => look(() => frame.pan({[down]: -0.1})),
    "ArrowDown": () => look(() => frame.pan({[down]: 0.1})),
    "PageUp": () => moveAlong(axis, -1),
    "PageDown": () => moveAlong(axis, 1),
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  acts[event.key]();
});

for (const id of ["low", "high"]) {
  byId(id).addEventListener("input", () => {
    contrast[id] = Number(byId(id).value);
    AXES.forEach(paint);
    draw();
  });
}
byId("auto").addEventListener("click", () => { adjust(); draw(); });
byId("in").addEventListener("click", () => look(() => frame.zoomBy(STEP)));
byId("out").addEventListener("click", () => look(() => frame.zoomBy(1 / STEP)));
byId("whole").addEventListener("click", reset);
for (const id of ["version", "scale"]) {
  byId(id).addEventListener("change", () => open(byId("version").value, byId("scale").value).catch(tell));
}
window.addEventListener("resize", () => { if (frame) draw(); });
const first = new URLSearchParams(location.search);
open(first.get("version") || "", first.get("scale") || "").then(() => {
  if (volume.watched) stayOpen();
  document.body.dataset.ready = "yes";
}, tell);
