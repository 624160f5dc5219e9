/** Where one looks at a picture from: `screen = world * scale + (x, y)`, in CSS pixels. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const LEAST_SCALE = 0.04;
const MOST_SCALE = 2;
/** A small picture is not blown up. */
const MOST_FITTED_SCALE = 1.1;
/** Where there is little room, names stay readable and one drags. */
const NARROW = 600;
const LEAST_NARROW_SCALE = 0.62;

/** Shows the whole picture in the middle of the room. */
export function fitAll(room: Size, picture: Size): Camera {
  const least = room.width < NARROW ? LEAST_NARROW_SCALE : LEAST_SCALE;
  const whole = Math.min(
    MOST_FITTED_SCALE,
    room.width / Math.max(1, picture.width),
    room.height / Math.max(1, picture.height),
  );
  const scale = Math.max(least, whole);
  return {
    x: Math.max(0, (room.width - picture.width * scale) / 2),
    y: (room.height - picture.height * scale) / 2,
    scale,
  };
}

/** Closer by `factor` around a point of the screen, which stays where it is. */
export function zoomed(camera: Camera, factor: number, around: Point): Camera {
  const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, camera.scale * factor));
  const grown = scale / camera.scale;
  return { x: around.x - (around.x - camera.x) * grown, y: around.y - (around.y - camera.y) * grown, scale };
}

export function moved(camera: Camera, by: Point): Camera {
  return { ...camera, x: camera.x + by.x, y: camera.y + by.y };
}

/** The same camera, moved by no more than brings a box of the world into the room. */
export function showing(camera: Camera, box: Box, room: Size): Camera {
  const shift = (low: number, high: number, size: number): number =>
    low < 0 ? -low : high > size ? Math.max(-low, size - high) : 0;
  const { x, y, scale } = camera;
  return moved(camera, {
    x: shift(box.left * scale + x, box.right * scale + x, room.width),
    y: shift(box.top * scale + y, box.bottom * scale + y, room.height),
  });
}

/** The part of the world that is in the room. */
export function seenBox({ x, y, scale }: Camera, room: Size): Box {
  return { left: -x / scale, top: -y / scale, right: (room.width - x) / scale, bottom: (room.height - y) / scale };
}

export function worldPoint({ x, y, scale }: Camera, at: Point): Point {
  return { x: (at.x - x) / scale, y: (at.y - y) / scale };
}
