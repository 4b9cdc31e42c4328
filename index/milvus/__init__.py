"""A gallery in Milvus, for archives that outgrow one machine: the answers of :class:`index.Gallery`, to the byte.

How cases lie in collections is told in :mod:`index.milvus.layout`, how a commit is made all or none in
:mod:`index.milvus.ledger`, how one writer at a time is ensured in :mod:`index.milvus.claim`. pymilvus is an optional
package (``pip install 'nearbeat[milvus]'``) and imported only when a gallery is opened.
"""

from index.milvus.gallery import MilvusGallery
from index.milvus.place import Place, place_in

__all__ = ["MilvusGallery", "Place", "place_in"]
