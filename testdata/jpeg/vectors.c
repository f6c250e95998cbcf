// vectors encode OUT W H QUALITY RESTART OPTIMISE SCANS COLOUR FACTORS < RGB: a JPEG of RGB pixels by libjpeg.
//   SCANS 1: one for each component; COLOUR ycc, rgb or gray; FACTORS like 221111
// vectors planes IN SCALE > PLANES: libjpeg's raw planes (islow), at 1/SCALE; each to the picture's edge, row by row.
// vectors list SCALE DIR < NAMES: the planes of many files, as DIR/number.raw.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>

static int encode(char **a) {
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr e;
  jpeg_scan_info scans[3];
  FILE *f = fopen(a[0], "wb");
  c.err = jpeg_std_error(&e);
  jpeg_create_compress(&c);
  jpeg_stdio_dest(&c, f);
  c.image_width = atoi(a[1]);
  c.image_height = atoi(a[2]);
  c.input_components = 3;
  c.in_color_space = JCS_RGB;
  jpeg_set_defaults(&c);
  if (!strcmp(a[7], "rgb")) jpeg_set_colorspace(&c, JCS_RGB);
  if (!strcmp(a[7], "gray")) jpeg_set_colorspace(&c, JCS_GRAYSCALE);
  jpeg_set_quality(&c, atoi(a[3]), FALSE);
  c.restart_interval = atoi(a[4]);
  c.optimize_coding = atoi(a[5]);
  for (int i = 0; i < c.num_components; i++) {
    c.comp_info[i].h_samp_factor = a[8][2 * i] - '0';
    c.comp_info[i].v_samp_factor = a[8][2 * i + 1] - '0';
  }
  if (atoi(a[6])) {
    memset(scans, 0, sizeof scans);
    for (int i = 0; i < 3; i++) {
      scans[i].comps_in_scan = 1;
      scans[i].component_index[0] = i;
      scans[i].Se = 63;
    }
    c.scan_info = scans;
    c.num_scans = 3;
  }
  jpeg_start_compress(&c, TRUE);
  JSAMPROW row = malloc(3 * c.image_width);
  while (c.next_scanline < c.image_height) {
    if (fread(row, 3, c.image_width, stdin) != c.image_width) return 1;
    jpeg_write_scanlines(&c, &row, 1);
  }
  jpeg_finish_compress(&c);
  return fclose(f);
}

static void planes(const char *in, int scale, FILE *o) {
  struct jpeg_decompress_struct c;
  struct jpeg_error_mgr e;
  FILE *f = fopen(in, "rb");
  c.err = jpeg_std_error(&e);
  jpeg_create_decompress(&c);
  jpeg_stdio_src(&c, f);
  jpeg_read_header(&c, TRUE);
  c.raw_data_out = TRUE;
  c.dct_method = JDCT_ISLOW;
  c.scale_num = 1;
  c.scale_denom = scale;
  c.out_color_space = c.jpeg_color_space;
  jpeg_start_decompress(&c);
  JSAMPLE *pl[4];
  int w[4], n = c.num_components, r = 0;
  JSAMPROW rows[4][64];
  JSAMPARRAY arr[4];
  int mcus = (c.image_height + c.max_v_samp_factor * 8 - 1) / (c.max_v_samp_factor * 8);
  for (int i = 0; i < n; i++) {
    w[i] = (c.comp_info[i].width_in_blocks + 8) * 8;
    pl[i] = calloc(w[i], (mcus + 1) * c.comp_info[i].v_samp_factor * 8);
    arr[i] = rows[i];
  }
  while (c.output_scanline < c.output_height) {
    for (int i = 0; i < n; i++) {
      int mh = c.comp_info[i].v_samp_factor * c.comp_info[i].DCT_scaled_size;
      for (int y = 0; y < mh; y++) rows[i][y] = pl[i] + (size_t)(r * mh + y) * w[i];
    }
    jpeg_read_raw_data(&c, arr, c.max_v_samp_factor * c.min_DCT_scaled_size);
    r++;
  }
  for (int i = 0; i < n; i++) {
    for (int y = 0; y < (int)c.comp_info[i].downsampled_height; y++)
      fwrite(pl[i] + (size_t)y * w[i], 1, c.comp_info[i].downsampled_width, o);
    free(pl[i]);
  }
  jpeg_abort_decompress(&c);
  jpeg_destroy_decompress(&c);
  fclose(f);
}

int main(int n, char **a) {
  if (n == 11 && !strcmp(a[1], "encode")) return encode(a + 2);
  if (n == 4 && !strcmp(a[1], "planes")) {
    planes(a[2], atoi(a[3]), stdout);
    return 0;
  }
  if (n == 4 && !strcmp(a[1], "list")) {
    char in[1024], out[1024];
    for (int i = 0; scanf("%1000s", in) == 1; i++) {
      snprintf(out, sizeof out, "%s/%d.raw", a[3], i);
      FILE *o = fopen(out, "wb");
      planes(in, atoi(a[2]), o);
      fclose(o);
    }
    return 0;
  }
  return 2;
}
