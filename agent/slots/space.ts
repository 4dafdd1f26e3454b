import type { Release } from '../../core/release.ts';

/** Bytes by the name of an image. */
export type ImageSizes = Readonly<Record<string, number>>;

export function imageSizesOf({ images }: Pick<Release, 'images'>): ImageSizes {
  return Object.fromEntries(Object.entries(images).map(([name, { size }]) => [name, size]));
}

/** Why images of these sizes do not fit into so many bytes together; null if they do. */
export function roomRefusal(sizes: ImageSizes, room: number): string | null {
  const needed = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  return needed <= room ? null : `the images need ${needed} bytes, ${room} are free`;
}

/** Why one of the images does not fit into its own place; null if each does. */
export function placeRefusal(sizes: ImageSizes, places: ImageSizes): string | null {
  for (const [name, size] of Object.entries(sizes)) {
    const place = places[name];
    if (place === undefined) {
      return `a slot has no place for image ${name}, but for ${Object.keys(places).join(', ')}`;
    }
    if (size > place) return `image ${name} needs ${size} bytes, its place has ${place}`;
  }
  return null;
}
