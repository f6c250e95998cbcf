"""Conversions between packs (.npk) and other formats, by the names of numpack.io.

Three sets of names go: those of NumPack 0.7 (from_tensor, from_table, from_npy …), the longer ones
(from_parquet_file …), and those that 0.7 has given up (from_torch, from_arrow, from_numpy, from_pandas,
from_safetensors …). from_X(FILE, PACK) and to_X(PACK, FILE) go from file to file in bounded memory;
from_X(OBJECT, PACK) and to_X(PACK) from and to objects in memory. torch, pyarrow, pandas, h5py and zarr are
imported where a conversion needs them, and from_s3 and to_s3 ask the engine; .npy, .npz, .safetensors,
.csv, .txt and .npkg need NumPy alone.

What a conversion writes, file or pack, is changed when all is there, or not at all.
"""

from __future__ import annotations

from ._depend import DependencyError
from ._hdf5 import from_hdf5, to_hdf5
from ._npy import from_npy, to_npy
from ._package import get_package_info, pack, unpack
from ._pandas import from_dataframe, to_dataframe
from ._parquet import from_feather_file, from_parquet_file, to_feather_file, to_parquet_file
from ._rows import (
    DEFAULT_BATCH_ROWS,
    DEFAULT_CHUNK_SIZE,
    LARGE_FILE_THRESHOLD,
    FormatError,
    estimate_chunk_rows,
    get_file_size,
    is_large_file,
)
from ._s3 import from_s3, to_s3
from ._safetensors import (
    from_safetensors_file,
    from_tensor_dict,
    get_safetensors_metadata,
    iter_safetensors,
    to_safetensors_file,
    to_tensor_dict,
)
from ._table import from_parquet_table, from_table, to_parquet_table, to_table
from ._text import from_csv, from_txt, to_csv, to_txt
from ._torch import from_pt, from_tensor, to_pt, to_tensor
from ._zarr import from_zarr, to_zarr
from .zero_copy import (
    DLPackBuffer,
    ZeroCopyArray,
    arrow_to_numpy_zero_copy,
    from_dlpack,
    numpy_to_arrow_zero_copy,
    numpy_to_torch_zero_copy,
    table_to_numpy_zero_copy,
    to_dlpack,
    torch_to_numpy_zero_copy,
    wrap_for_zero_copy,
)

from_parquet, to_parquet = from_parquet_file, to_parquet_file
from_feather, to_feather = from_feather_file, to_feather_file

# What NumPack 0.7 has no longer.
from_numpy, to_numpy = from_npy, to_npy
from_pandas, to_pandas = from_dataframe, to_dataframe
from_arrow, to_arrow = from_table, to_table
from_torch, to_torch = from_tensor, to_tensor
from_torch_file, to_torch_file = from_pt, to_pt
from_pytorch, to_pytorch = from_pt, to_pt
from_safetensors, to_safetensors = from_tensor_dict, to_tensor_dict

__all__ = [
    "DEFAULT_BATCH_ROWS",
    "DEFAULT_CHUNK_SIZE",
    "DLPackBuffer",
    "DependencyError",
    "FormatError",
    "LARGE_FILE_THRESHOLD",
    "ZeroCopyArray",
    "arrow_to_numpy_zero_copy",
    "estimate_chunk_rows",
    "from_arrow",
    "from_csv",
    "from_dataframe",
    "from_dlpack",
    "from_feather",
    "from_feather_file",
    "from_hdf5",
    "from_npy",
    "from_numpy",
    "from_pandas",
    "from_parquet",
    "from_parquet_file",
    "from_parquet_table",
    "from_pt",
    "from_pytorch",
    "from_s3",
    "from_safetensors",
    "from_safetensors_file",
    "from_table",
    "from_tensor",
    "from_tensor_dict",
    "from_torch",
    "from_torch_file",
    "from_txt",
    "from_zarr",
    "get_file_size",
    "get_package_info",
    "get_safetensors_metadata",
    "is_large_file",
    "iter_safetensors",
    "numpy_to_arrow_zero_copy",
    "numpy_to_torch_zero_copy",
    "pack",
    "table_to_numpy_zero_copy",
    "to_arrow",
    "to_csv",
    "to_dataframe",
    "to_dlpack",
    "to_feather",
    "to_feather_file",
    "to_hdf5",
    "to_npy",
    "to_numpy",
    "to_pandas",
    "to_parquet",
    "to_parquet_file",
    "to_parquet_table",
    "to_pt",
    "to_pytorch",
    "to_s3",
    "to_safetensors",
    "to_safetensors_file",
    "to_table",
    "to_tensor",
    "to_tensor_dict",
    "to_torch",
    "to_torch_file",
    "to_txt",
    "to_zarr",
    "torch_to_numpy_zero_copy",
    "unpack",
    "wrap_for_zero_copy",
]
