// Which part of the volume the three planes show: one zoom for all of them, and the lower end of the part on each axis.

export const AXES = ["x", "y", "z"];
export const RIGHT = {x: "z", y: "x", z: "x"};
export const DOWN = {x: "y", y: "z", z: "y"};

const FEWEST = 4; // voxels along the longest axis, at the highest zoom

export class Frame {
  constructor(volume, at) {
    this.volume = volume;
    this.at = at;
    this.reset();
  }

  reset() {
    this.zoom = 1;
    this.low = Object.fromEntries(AXES.map((axis) => [axis, this.start(axis)]));
  }

  start(axis) { return this.volume.start[AXES.indexOf(axis)]; }
  stop(axis) { return this.volume.stop[AXES.indexOf(axis)]; }
  resolution(axis) { return this.volume.resolution[AXES.indexOf(axis)]; }
  size(axis) { return this.stop(axis) - this.start(axis); }
  extent(axis) { return this.size(axis) / this.zoom; }

  // A coordinate as a share of what is shown: 0 at the lower end, 1 at the upper end.
  share(axis, coordinate) { return (coordinate - this.low[axis]) / this.extent(axis); }
  coordinate(axis, share) { return this.low[axis] + share * this.extent(axis); }

  // A coordinate of another frame, of the same volume in another version or at another level.
  same(other, axis, coordinate) {
    return this.start(axis) + (coordinate - other.start(axis)) / other.size(axis) * this.size(axis);
  }

  // The voxel at a share of what is shown.
  voxel(axis, share) {
    return Math.min(Math.max(Math.floor(this.coordinate(axis, share)), this.start(axis)), this.stop(axis) - 1);
  }

  // The voxels that are shown, whole ones at both ends.
  part(axis) {
    const stop = Math.ceil(this.low[axis] + this.extent(axis));
    return [Math.floor(this.low[axis]), Math.min(stop, this.stop(axis))];
  }

  // The shares in `fixed` stay where they are; on the other axes the planes that are shown do.
  zoomBy(factor, fixed = {}) {
    const highest = Math.max(1, Math.max(...AXES.map((axis) => this.size(axis))) / FEWEST);
    const shares = {}, kept = {};
    for (const axis of AXES) {
      const own = this.share(axis, this.at[axis] + 0.5);
      shares[axis] = fixed[axis] ?? (own >= 0 && own <= 1 ? own : 0.5);
      kept[axis] = this.coordinate(axis, shares[axis]);
    }
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), highest);
    for (const axis of AXES) this.low[axis] = kept[axis] - shares[axis] * this.extent(axis);
    this.clamp();
  }

  // Move by shares of what is shown.
  pan(shares) {
    for (const [axis, share] of Object.entries(shares)) this.low[axis] += share * this.extent(axis);
    this.clamp();
  }

  clamp() {
    for (const axis of AXES) {
      const highest = this.stop(axis) - this.extent(axis);
      this.low[axis] = Math.max(this.start(axis), Math.min(this.low[axis], highest));
    }
  }
}
