"""Fashion-MNIST: 60,000 + 10,000 pictures of clothing, 28×28, ten classes, from the four packed idx files."""

from __future__ import annotations

from contrast.downloads import Remote, fetched
from contrast.idx import images_of
from contrast.images import TEST, TRAIN, Images
from contrast.official import OfficialFile, missing
from contrast.protocols import DataIngredient, Places

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
FOLDERS = ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST")
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
# Address and checksums of the packed files: torchvision.datasets.FashionMNIST.
FILES = {
    TRAIN: (
        OfficialFile("train-images-idx3-ubyte.gz", 26_421_880, "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        OfficialFile("train-labels-idx1-ubyte.gz", 29_515, "md5:25c81989df183df01b3e8a0aad5dffbe"),
    ),
    TEST: (
        OfficialFile("t10k-images-idx3-ubyte.gz", 4_422_102, "md5:bef4ecab320f06d8554ea6380940ec79"),
        OfficialFile("t10k-labels-idx1-ubyte.gz", 5_148, "md5:bb300cfdad3c16e7a12a480ee83cd310"),
    ),
}
_UNPACKED_AT_MOST = 50_000_000


class FashionMnist(DataIngredient):
    """Fashion-MNIST (Xiao, Rasul & Vollgraf 2017) with the test part of its owners; downloaded where it is missing."""

    def read(self, places: Places) -> Images:
        """Decode all 70,000 pictures: ``uint8 [70000, 28, 28, 1]``, training part first.

        Raises:
            InputError: files are missing and can't be downloaded, damaged, or not the published ones.
        """
        first = FILES[TRAIN][0].name
        found = places.find(*(f"{folder}/{first}" for folder in FOLDERS))
        if found is None:
            error = missing("Fashion-MNIST", names=[f"{FOLDERS[0]}/{first}"], folders=places.folders, get=f"get its four files from {ADDRESS}")
            found = fetched(_remotes(), places, error)
        folder = found.parent
        contents = {part: [file.unpacked(folder / file.name, _UNPACKED_AT_MOST) for file in files] for part, files in FILES.items()}
        return images_of({part: (images, labels) for part, (images, labels) in contents.items()}, CLASSES)


def _remotes() -> list[Remote]:
    return [Remote(ADDRESS + file.name, f"{FOLDERS[0]}/{file.name}", file.checksum, file.size) for files in FILES.values() for file in files]
